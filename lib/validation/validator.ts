import type { Finding } from '../errors/finding.js';
import { controllerRebuilt } from './rules/sw206-controller-rebuilt.js';
import { durableCaptive } from './rules/sw204-durable-captive.js';
import { resourceRebuilt } from './rules/sw202-resource-rebuilt.js';
import { scopeNotNeeded } from './rules/sw207-sw210-workers.js';
import { singletonRebuilt } from './rules/sw201-sw202-rebuilt.js';
import { transientCaptured } from './rules/sw203-transient-captured.js';
import { workerHookUnused } from './rules/sw210-worker-hook-unused.js';
import type { TickGraph } from './tick-graph.js';

/** In the order of the report. `FindingBook` adds the kinds that are found when a tick runs. */
const RULES: readonly ((ticks: TickGraph) => Finding[])[] = [
  singletonRebuilt,
  durableCaptive,
  resourceRebuilt,
  transientCaptured,
  controllerRebuilt,
  workerHookUnused,
  scopeNotNeeded,
];

/** Returns the findings about the lifetimes of providers. Reads only the graph. */
export function validate(ticks: TickGraph): Finding[] {
  return RULES.flatMap((rule) => withoutRepetition(rule(ticks)));
}

/** Merges equal findings: a provider of several modules, or of a dynamic module that is registered twice, is reported once. */
function withoutRepetition(findings: readonly Finding[]): Finding[] {
  const told = new Map(findings.map((found) => [found.message, found]));
  return findings.filter((found) => {
    const same = told.get(found.message)!;
    return same === found || same.token !== found.token;
  });
}
