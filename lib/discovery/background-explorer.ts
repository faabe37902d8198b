import {
  isSameObject,
  isSingleton,
  kindOf,
  tokenText,
  type NestModule,
  type NestWrapper,
} from '../nest/index.js';
import { readMember } from '../util/values.js';
import { classOf } from './provided-classes.js';
import { sameAmong } from './same-worker.js';

/** Marks the prototype of `BackgroundWorker`. It is defined here because this folder must not import `background`. */
export const IS_BACKGROUND_WORKER = Symbol('nestjs-scoped-worker:is-background-worker');

/** A background worker that lives as long as the application. */
export interface FoundBackgroundWorker {
  /** The name for logs and events: the worker's `name`, its class, or its token if several factories provide that class. */
  readonly name: string;
  readonly instance: object;
  /** All modules that provide the worker with the same dependencies; the instance of the first module runs. */
  readonly modules: readonly NestModule[];
}

interface Candidate {
  readonly wrapper: NestWrapper;
  readonly modules: NestModule[];
  /** The instance that runs, and the duplicates that don't. */
  readonly instances: [object, ...object[]];
}

/**
 * Finds the background workers among the providers of all modules, each of them once. An object that is provided under several
 * tokens is one worker. So is a class, or a factory under one token, that several modules provide with the same dependencies.
 *
 * @returns the workers and, by class, the providers of background workers without an application-wide instance.
 */
export function exploreBackground(modules: Iterable<NestModule>): {
  readonly workers: readonly FoundBackgroundWorker[];
  readonly homeless: ReadonlyMap<Function, NestWrapper>;
} {
  const homeless = new Map<Function, NestWrapper>();
  const found: Candidate[] = [];
  for (const module of modules) {
    for (const wrapper of module.providers.values()) {
      if (wrapper.isAlias) continue;
      const { instance } = wrapper;
      const provided = classOf(wrapper);
      if (isSingleton(wrapper)) {
        if (isMarked(instance)) found.push({ wrapper, modules: [module], instances: [instance] });
      } else if (isMarked(provided?.prototype) && !homeless.has(provided!))
        homeless.set(provided!, wrapper);
    }
  }
  // Classes are compared first, because a factory may return the instance of a class that is listed later.
  const classes = found.filter(({ wrapper }) => kindOf(wrapper) === 'class');
  const distinct: Candidate[] = [];
  for (const candidate of new Set([...classes, ...found])) {
    const { wrapper, modules, instances } = candidate;
    const [instance] = instances;
    const isKnown = distinct.some((other) =>
      other.instances.some((known) => isSameObject(known, instance)),
    );
    if (isKnown) continue;
    const alike = distinct.filter((other) => isAlike(other, wrapper));
    const { known } = sameAmong(alike, wrapper);
    if (known === undefined) distinct.push(candidate);
    else {
      known.modules.push(...modules);
      known.instances.push(instance);
    }
  }
  return { workers: named(found.filter((each) => distinct.includes(each))), homeless };
}

/** Returns true for two providers of one class, or for two factories under one token. */
function isAlike({ wrapper: known }: Candidate, wrapper: NestWrapper): boolean {
  if (!wrapper.metatype || kindOf(known) !== kindOf(wrapper)) return false;
  return kindOf(wrapper) === 'class'
    ? known.metatype === wrapper.metatype
    : known.token === wrapper.token;
}

function named(candidates: readonly Candidate[]): FoundBackgroundWorker[] {
  const own = candidates.map(
    ({ instances: [instance] }) => givenName(instance) ?? instance.constructor.name,
  );
  const isUnique = (name: string): boolean =>
    name !== '' && own.indexOf(name) === own.lastIndexOf(name);
  const taken = new Map<string, number>();
  return candidates.map(({ wrapper, instances: [instance], modules }, index) => {
    const isOwn =
      givenName(instance) !== undefined || isUnique(own[index]!) || kindOf(wrapper) === 'class';
    const name = isOwn ? own[index]! : tokenText(wrapper.token);
    const count = (taken.get(name) ?? 0) + 1;
    taken.set(name, count);
    return { name: count === 1 ? name : `${name}#${count}`, instance, modules };
  });
}

function givenName(instance: object): string | undefined {
  const name = readMember(instance, 'name');
  return typeof name === 'string' && name.trim() !== '' ? name : undefined;
}

/** Returns true for a class that extends `BackgroundWorker`. */
export function isBackgroundWorker({ prototype }: Function): boolean {
  return isMarked(prototype);
}

function isMarked(candidate: unknown): candidate is object {
  // A proxy may throw on inspection, as those from nestjs-cls do.
  return (
    typeof candidate === 'object' &&
    candidate !== null &&
    readMember(candidate, IS_BACKGROUND_WORKER) === true
  );
}
