import { workerOptions } from '../decorators/worker-metadata.js';
import { wayToRequestScope, type NestInside, type NestWrapper } from '../nest/index.js';
import { choiceProblem } from '../checks/option-checks.js';
import type { Finding } from '../validation/finding.js';
import { exploreBackground, nameOf, type FoundBackgroundWorker } from './background-explorer.js';

const POLICIES = ['restart', 'stop-app', 'ignore'] as const;

/** What a background worker does to the application when it fails. */
export type BackgroundFailurePolicy = (typeof POLICIES)[number];

/** What is wrong with the background workers of the application. */
export function backgroundFindings(nest: NestInside): Finding[] {
  const { workers, homeless } = exploreBackground(nest);
  return [
    ...[...homeless].map(([workerClass, wrapper]) => scoped(workerClass, wrapper)),
    ...workers.flatMap(policyFindings),
    ...workers.flatMap(repeatedFindings),
  ];
}

function scoped({ name }: Function, wrapper: NestWrapper): Finding {
  const { why, instead } = reasonOf(wrapper);
  return {
    kind: 'background-worker-scoped',
    severity: 'error',
    subject: name,
    message: `${name} is a BackgroundWorker, but ${why}: no instance of it lives with the application, so it would never run. ${instead} in a scope that each iteration opens: this.scopes.run(async (scope) => { ... }), with ProviderScopeFactory injected as scopes.`,
  };
}

function reasonOf(wrapper: NestWrapper): { why: string; instead: string } {
  const asSingleton = 'Make it a singleton, and resolve what it needs';
  if (wrapper.isTransient) return { why: 'it is transient', instead: asSingleton };
  const way = wayToRequestScope(wrapper);
  if (way === undefined) return { why: 'it is not a singleton', instead: asSingleton };
  const [dependency] = way.slice(1).map(nameOf);
  if (dependency !== undefined) {
    return {
      why: `its dependency ${way.slice(1).map(nameOf).join(' -> ')} makes it request-scoped`,
      instead: `Do not inject ${dependency}, but resolve it`,
    };
  }
  const { metatype } = wrapper;
  return metatype && workerOptions(metatype) !== undefined
    ? {
        why: '@ScopedWorker() makes it request-scoped',
        instead: 'Mark it @Injectable() only, and resolve what it needs',
      }
    : { why: 'it is request-scoped', instead: asSingleton };
}

function policyFindings({ name, instance }: FoundBackgroundWorker): Finding[] {
  const problem = choiceProblem((instance as { onFailure?: unknown }).onFailure, POLICIES);
  if (problem === undefined) return [];
  const message = `${name}: onFailure ${problem}.`;
  return [{ kind: 'invalid-options', severity: 'error', subject: name, message }];
}

function repeatedFindings({ name, modules }: FoundBackgroundWorker): Finding[] {
  if (modules.length < 2) return [];
  const names = [...new Set(modules.map((module) => module.name))];
  const message = `${name} is provided ${modules.length} times, in ${names.join(', ')}; it runs once, with the first instance of ${names[0]}.`;
  return [{ kind: 'worker-provided-twice', severity: 'notice', subject: name, message }];
}
