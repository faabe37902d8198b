import { tokenText, type NestModule, type NestWrapper } from '../nest/index.js';
import { classOf, isClassProvider } from './class-of.js';

/** Marks the prototype of `BackgroundWorker`. */
export const IS_BACKGROUND_WORKER = Symbol('nestjs-scoped-worker:is-background-worker');

/** A background worker that lives with the application. */
export interface FoundBackgroundWorker {
  /** For logs and events: its class, or its token when others have the same class. */
  readonly name: string;
  readonly instance: object;
  /** Where it is provided; an instance of the first one runs. */
  readonly modules: readonly NestModule[];
}

/** What was found of background workers in the application. */
export interface BackgroundExploration {
  readonly workers: readonly FoundBackgroundWorker[];
  /** Providers of a background worker of which no instance lives with the application, by class. */
  readonly homeless: ReadonlyMap<Function, NestWrapper>;
}

interface Candidate {
  readonly wrapper: NestWrapper;
  readonly instance: object;
  readonly modules: NestModule[];
}

/**
 * Finds the background workers among the providers of all modules, once each: an object under several tokens is one
 * worker, and so is a class, or a factory under one token, in several modules.
 */
export function exploreBackground(modules: Iterable<NestModule>): BackgroundExploration {
  const candidates: Candidate[] = [];
  const homeless = new Map<Function, NestWrapper>();
  for (const module of modules) {
    for (const wrapper of module.providers.values()) {
      if (wrapper.isAlias) continue;
      if (wrapper.isTransient || !wrapper.isDependencyTreeStatic()) {
        const provided = classOf(wrapper);
        if (isMarked(provided?.prototype) && !homeless.has(provided!))
          homeless.set(provided!, wrapper);
        continue;
      }
      const { instance } = wrapper;
      if (!isMarked(instance)) continue;
      const known = candidates.find((other) => isSame(other, wrapper));
      if (known === undefined) candidates.push({ wrapper, instance, modules: [module] });
      else if (known.instance !== instance) known.modules.push(module);
    }
  }
  return { workers: named(candidates), homeless };
}

function isSame(known: Candidate, wrapper: NestWrapper): boolean {
  if (known.instance === wrapper.instance) return true;
  if (!wrapper.metatype || known.wrapper.metatype !== wrapper.metatype) return false;
  return isClassProvider(wrapper) || known.wrapper.token === wrapper.token;
}

function named(candidates: readonly Candidate[]): FoundBackgroundWorker[] {
  const names = candidates.map(({ instance }) => instance.constructor.name);
  const isUnique = (name: string): boolean =>
    name !== '' && names.indexOf(name) === names.lastIndexOf(name);
  const taken = new Map<string, number>();
  return candidates.map(({ wrapper, instance, modules }, index) => {
    const own = names[index]!;
    const name = isUnique(own) || isClassProvider(wrapper) ? own : tokenText(wrapper.token);
    const count = (taken.get(name) ?? 0) + 1;
    taken.set(name, count);
    return { name: count === 1 ? name : `${name}#${count}`, instance, modules };
  });
}

function isMarked(candidate: unknown): candidate is object {
  if (typeof candidate !== 'object' || candidate === null) return false;
  try {
    return (candidate as { [IS_BACKGROUND_WORKER]?: unknown })[IS_BACKGROUND_WORKER] === true;
  } catch {
    return false; // a proxy that does not like to be looked at (as those of nestjs-cls)
  }
}
