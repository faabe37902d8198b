import { REQUEST } from '@nestjs/core';
import { workerOptions } from '../decorators/handler-metadata.js';
import { arrows, finding, type Finding } from '../errors/finding.js';
import { namesOf, type GraphProvider, type LifetimeGraph } from '../graph/lifetime-graph.js';
import type { ApplicationGraph } from '../graph/read-graph.js';
import type { NestModule, NestWrapper } from '../nest/index.js';
import { choiceProblem } from '../util/option-checks.js';
import { readMember } from '../util/values.js';
import { exploreBackground, type FoundBackgroundWorker } from './background-explorer.js';
import { inPlaceOf } from './scope-advice.js';

const POLICIES = ['restart', 'stop-app', 'ignore'] as const;

/** What the library does when a background worker fails. */
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
  const links = (wrapper.isTransient ? undefined : graph.chainToRequestScope(wrapper)) ?? [];
  const chain = namesOf(links);
  const { why, instead } = reasonOf(wrapper, links, graph);
  const message = `${name} is a BackgroundWorker, but ${why}. No instance of it lives as long as the application, so it would never run. ${instead}.`;
  const { token } = wrapper;
  return finding({ kind: 'background-worker-scoped', subject: name, token, chain, message });
}

const IN_SCOPE = 'in this.scopes.run(async (scope) => { ... })';
const SCOPES = 'inject ProviderScopeFactory as scopes';

/** @param links the chain from the worker to the provider that makes the worker request-scoped; empty if no provider does. */
function reasonOf(
  { metatype, isTransient }: NestWrapper,
  links: readonly GraphProvider[],
  graph: ApplicationGraph,
): { readonly why: string; readonly instead: string } {
  const [own, dependency] = links;
  if (dependency !== undefined) {
    return {
      why: `its dependency ${arrows(namesOf(links.slice(1)))} makes it request-scoped`,
      instead: insteadOf(dependency, graph.current),
    };
  }
  const inject = `${SCOPES}. In each iteration, resolve what it needs ${IN_SCOPE}`;
  if (own !== undefined && metatype && workerOptions(metatype) !== undefined)
    return {
      why: '@ScopedWorker() makes it request-scoped',
      instead: `Mark it @Injectable() only, and ${inject}`,
    };
  const scope = own === undefined ? 'not a singleton' : 'request-scoped';
  return {
    why: `it is ${isTransient ? 'transient' : scope}`,
    instead: `Make it a singleton, and ${inject}`,
  };
}

function insteadOf(dependency: GraphProvider, graph: LifetimeGraph): string {
  if (dependency.token === REQUEST)
    return `A loop has neither a request nor a tick, so remove REQUEST and ${SCOPES}. In each iteration, resolve what it needs ${IN_SCOPE}`;
  const { first, resolve } = inPlaceOf(dependency, graph);
  return `${first} ${SCOPES}. In each iteration, resolve ${resolve} ${IN_SCOPE}`;
}

function policyFindings({ name, instance }: FoundBackgroundWorker): Finding[] {
  // Nest's preview mode doesn't construct anything, so the field isn't set.
  if (!('onFailure' in instance)) return [];
  const problem = choiceProblem(readMember(instance, 'onFailure'), POLICIES);
  if (problem === undefined) return [];
  const message = `${name}: onFailure ${problem}.`;
  return [finding({ kind: 'invalid-options', subject: name, message })];
}

function repeatedFindings({ name, instance, modules }: FoundBackgroundWorker): Finding[] {
  if (modules.length < 2) return [];
  const names = [...new Set(modules.map((module) => module.name))];
  const help = names.length === 1 ? 'Provide it once' : 'Provide it in one module';
  const message = `${name} is provided ${modules.length} times, in ${names.join(', ')}. Only the first instance, in ${names[0]}, runs. ${help}.`;
  const token = instance.constructor;
  return [finding({ kind: 'worker-provided-twice', subject: name, token, message })];
}
