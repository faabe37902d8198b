import type { Finding } from '../errors/finding.js';
import { controllerRebuilt } from './rules/sw206-controller-rebuilt.js';
import { durableCaptive } from './rules/sw204-durable-captive.js';
import { resourceRebuilt } from './rules/sw202-resource-rebuilt.js';
import { scopeNotNeeded } from './rules/sw207-scope-not-needed.js';
import { singletonRebuilt } from './rules/sw201-singleton-rebuilt.js';
import { transientCaptured } from './rules/sw203-transient-captured.js';
import { workerHookUnused } from './rules/sw210-worker-hook-unused.js';
import type { TickGraph } from './tick-graph.js';

/** In the order of the report. What `shared-by-factory` is about is found when a tick runs: see `FindingBook#handedOut`. */
const RULES: readonly ((ticks: TickGraph) => Finding[])[] = [
  singletonRebuilt,
  durableCaptive,
  resourceRebuilt,
  transientCaptured,
  controllerRebuilt,
  workerHookUnused,
  scopeNotNeeded,
];

/** Everything that the lifetimes of the application's providers give cause to say. Reads the graph only. */
export function validate(ticks: TickGraph): Finding[] {
  return RULES.flatMap((rule) => withoutRepetition(rule(ticks)));
}

/** A provider that stands in several modules, or in a dynamic one that is registered twice, has one fault. */
function withoutRepetition(findings: readonly Finding[]): Finding[] {
  const told = new Map(findings.map((found) => [found.message, found]));
  return findings.filter((found) => {
    const same = told.get(found.message)!;
    return same === found || same.token !== found.token;
  });
}
