import { workerOptions } from '../decorators/worker-metadata.js';
import type { ApplicationGraph } from '../graph/index.js';
import type { NestModule, NestWrapper } from '../nest/index.js';
import { choiceProblem } from '../util/option-checks.js';
import { finding, type Finding } from '../errors/finding.js';
import { exploreBackground, type FoundBackgroundWorker } from './background-workers.js';

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
