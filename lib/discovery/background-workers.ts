import { isSameObject, tokenText, type NestModule, type NestWrapper } from '../nest/index.js';
import { classOf, isClassProvider } from './class-of.js';
import { sameAmong } from './same-worker.js';
import { workerOptions } from '../decorators/worker-metadata.js';
import type { ApplicationGraph } from '../graph/read-graph.js';
import { choiceProblem } from '../util/option-checks.js';
import { finding, type Finding } from '../errors/finding.js';

/** Marks the prototype of `BackgroundWorker`. */
export const IS_BACKGROUND_WORKER = Symbol('nestjs-scoped-worker:is-background-worker');

/** A background worker that lives with the application. */
export interface FoundBackgroundWorker {
  /** The name for logs and events: its `name`, its class, or its token if other workers have the same class. */
  readonly name: string;
  readonly instance: object;
  /** All places that provide it with the same dependencies; the instance of the first one runs. */
  readonly modules: readonly NestModule[];
}

/** The background workers of the application. */
export interface BackgroundExploration {
  readonly workers: readonly FoundBackgroundWorker[];
  /** The providers of background workers that have no instance for the whole application, by class. */
  readonly homeless: ReadonlyMap<Function, NestWrapper>;
}

interface Candidate {
  readonly wrapper: NestWrapper;
  readonly modules: NestModule[];
  /** The instance that runs, and the duplicates that don't. */
  readonly instances: [object, ...object[]];
  /** Its position in the order of discovery. */
  readonly place: number;
}

/**
 * Finds each background worker among the providers of all modules once. An object under several tokens is one worker. So is a
 * class, or a factory under one token, that several modules provide with the same dependencies.
 */
export function exploreBackground(modules: Iterable<NestModule>): BackgroundExploration {
  const candidates: Candidate[] = [];
  const homeless = new Map<Function, NestWrapper>();
  const found: { wrapper: NestWrapper; module: NestModule; place: number }[] = [];
  for (const module of modules) {
    for (const wrapper of module.providers.values()) {
      if (wrapper.isAlias) continue;
      if (wrapper.isTransient || !wrapper.isDependencyTreeStatic()) {
        const provided = classOf(wrapper);
        if (isMarked(provided?.prototype) && !homeless.has(provided!))
          homeless.set(provided!, wrapper);
      } else if (isMarked(wrapper.instance)) {
        found.push({ wrapper, module, place: found.length });
      }
    }
  }
  // Classes first: a factory may return the instance of a class that is listed later.
  const areClasses = ({ wrapper }: { wrapper: NestWrapper }): boolean => isClassProvider(wrapper);
  const others = found.filter((each) => !areClasses(each));
  for (const { wrapper, module, place } of [...found.filter(areClasses), ...others]) {
    const instance = wrapper.instance as object;
    const isKnown = ({ instances }: Candidate): boolean =>
      instances.some((known) => isSameObject(known, instance));
    if (candidates.some(isKnown)) continue;
    const alike = candidates.filter((other) => isAlike(other, wrapper));
    const { known } = sameAmong(alike, wrapper);
    if (known === undefined)
      candidates.push({ wrapper, modules: [module], instances: [instance], place });
    else {
      known.modules.push(module);
      known.instances.push(instance);
    }
  }
  return { workers: named(candidates.toSorted((one, other) => one.place - other.place)), homeless };
}

/** True for two providers of one class, or of one token. */
function isAlike({ wrapper: known }: Candidate, wrapper: NestWrapper): boolean {
  if (!wrapper.metatype || isClassProvider(known) !== isClassProvider(wrapper)) return false;
  return isClassProvider(wrapper)
    ? known.metatype === wrapper.metatype
    : known.token === wrapper.token;
}

function named(candidates: readonly Candidate[]): FoundBackgroundWorker[] {
  const workers = candidates.map(({ wrapper, modules, instances: [instance] }) => ({
    wrapper,
    modules,
    instance,
    given: givenName(instance),
  }));
  const classes = workers.map(({ given, instance }) => given ?? instance.constructor.name);
  const isUnique = (name: string): boolean =>
    name !== '' && classes.indexOf(name) === classes.lastIndexOf(name);
  const taken = new Map<string, number>();
  return workers.map(({ wrapper, instance, given, modules }, index) => {
    const own = classes[index]!;
    const isOwn = given !== undefined || isUnique(own) || isClassProvider(wrapper);
    const name = isOwn ? own : tokenText(wrapper.token);
    const count = (taken.get(name) ?? 0) + 1;
    taken.set(name, count);
    return { name: count === 1 ? name : `${name}#${count}`, instance, modules };
  });
}

function givenName(instance: object): string | undefined {
  const { name } = instance as { readonly name?: unknown };
  return typeof name === 'string' && name.trim() !== '' ? name : undefined;
}

function isMarked(candidate: unknown): candidate is object {
  if (typeof candidate !== 'object' || candidate === null) return false;
  try {
    return (candidate as { [IS_BACKGROUND_WORKER]?: unknown })[IS_BACKGROUND_WORKER] === true;
  } catch {
    return false; // a proxy that throws on inspection, as those of nestjs-cls do
  }
}

const POLICIES = ['restart', 'stop-app', 'ignore'] as const;

/** The reaction of the library to the failure of a background worker. */
export type BackgroundFailurePolicy = (typeof POLICIES)[number];

/** Reports the problems with the background workers of the application. */
export function backgroundFindings(
  modules: Iterable<NestModule>,
  graph: ApplicationGraph,
): Finding[] {
  const { workers, homeless } = exploreBackground(modules);
  return [
    ...[...homeless].map(([workerClass, wrapper]) => scoped(workerClass, wrapper, graph)),
    ...workers.flatMap(policyFindings),
    ...workers.flatMap(repeatedFindings),
  ];
}

function scoped({ name }: Function, wrapper: NestWrapper, graph: ApplicationGraph): Finding {
  const { why, instead, chain } = reasonOf(wrapper, graph);
  return finding({
    kind: 'background-worker-scoped',
    subject: name,
    token: wrapper.token,
    chain,
    message: `${name} is a BackgroundWorker, but ${why}. No instance of it lives with the application, so it would never run. ${instead} in this.scopes.run(async (scope) => { ... }).`,
  });
}

function reasonOf(
  wrapper: NestWrapper,
  graph: ApplicationGraph,
): { why: string; instead: string; chain: readonly string[] } {
  const inject = 'inject ProviderScopeFactory as scopes. In each iteration, resolve';
  const asSingleton = `Make it a singleton, and ${inject} what it needs`;
  if (wrapper.isTransient) return { why: 'it is transient', instead: asSingleton, chain: [] };
  const way = graph.wayToRequestScope(wrapper);
  if (way === undefined) return { why: 'it is not a singleton', instead: asSingleton, chain: [] };
  const chain = way.map(({ name }) => name);
  const dependency = chain[1];
  if (dependency !== undefined) {
    return {
      chain,
      why: `its dependency ${chain.slice(1).join(' -> ')} makes it request-scoped`,
      instead: `Instead of ${dependency}, ${inject} ${dependency}`,
    };
  }
  const { metatype } = wrapper;
  return metatype && workerOptions(metatype) !== undefined
    ? {
        chain,
        why: '@ScopedWorker() makes it request-scoped',
        instead: `Mark it @Injectable() only, and ${inject} what it needs`,
      }
    : { why: 'it is request-scoped', instead: asSingleton, chain };
}

function policyFindings({ name, instance }: FoundBackgroundWorker): Finding[] {
  // Nest's preview mode constructs nothing, so the field isn't set.
  if (!('onFailure' in instance)) return [];
  const problem = choiceProblem((instance as { onFailure?: unknown }).onFailure, POLICIES);
  if (problem === undefined) return [];
  const message = `${name}: onFailure ${problem}.`;
  return [finding({ kind: 'invalid-options', subject: name, message })];
}

function repeatedFindings({ name, instance, modules }: FoundBackgroundWorker): Finding[] {
  if (modules.length < 2) return [];
  const names = [...new Set(modules.map((module) => module.name))];
  const message = `${name} is provided ${modules.length} times, in ${names.join(', ')}. Only the first instance, in ${names[0]}, runs. Provide it in one module.`;
  const token = instance.constructor;
  return [finding({ kind: 'worker-provided-twice', subject: name, token, message })];
}
