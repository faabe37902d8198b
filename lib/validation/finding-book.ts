import { ApplicationGraph } from '../graph/read-graph.js';
import type { LifetimeGraph } from '../graph/lifetime-graph.js';
import type { NestWrapper } from '../nest/index.js';
import { OptionsStore } from '../options/options-store.js';
import { fits, judge, type AllowedFinding } from './allowances.js';
import type { Finding } from '../errors/finding.js';
import { sharedByFactory, stateOnWorker } from './rules/sw205-sw209-found-late.js';
import { TickGraph, type WorkerRoot } from './tick-graph.js';
import { controllerRebuilt } from './rules/sw206-controller-rebuilt.js';
import { durableCaptive } from './rules/sw204-durable-captive.js';
import { resourceRebuilt, singletonRebuilt } from './rules/sw201-sw202-rebuilt.js';
import { scopeNotNeeded, workerHookUnused } from './rules/sw207-sw210-workers.js';
import { transientCaptured } from './rules/sw203-transient-captured.js';

/** Validates the application at start-up, and keeps the findings of start-up and of ticks. */
export class FindingBook {
  readonly #found: Finding[] = [];
  readonly #handedOut = new WeakSet<NestWrapper>();
  #look: (() => TickGraph) | undefined;
  #isComplete = false;

  constructor(
    private readonly graph: ApplicationGraph,
    private readonly options: OptionsStore,
  ) {}

  /** The graph that the rules read; undefined before `begin`. */
  get ticks(): TickGraph | undefined {
    return this.#look?.();
  }

  /** The findings that `allowFindings` does not name. */
  get standing(): readonly Finding[] {
    const { standing, unused } = judge(this.#found, this.options.resolved.allowFindings);
    return this.#isComplete ? [...standing, ...unused] : standing;
  }

  get allowed(): readonly AllowedFinding[] {
    return judge(this.#found, this.options.resolved.allowFindings).allowed;
  }

  /**
   * Validates the lifetimes, unless validation is off.
   *
   * @param rootsIn returns the workers; called when the graph is read.
   * @param found the findings of discovery.
   */
  begin(rootsIn: (graph: LifetimeGraph) => readonly WorkerRoot[], found: readonly Finding[]): void {
    let ticks: TickGraph | undefined;
    this.#look = () =>
      (ticks ??= new TickGraph(
        this.graph.current,
        rootsIn(this.graph.current),
        (kind, { token, name }) =>
          this.options.resolved.allowFindings.some((allowance) =>
            fits(allowance, { kind, token, subject: name }),
          ),
        this.options.hasHooks,
      ));
    // A second `init()` of a refused application starts over.
    this.#found.length = 0;
    this.#isComplete = false;
    this.#found.push(...found);
    if (!this.isOff) this.complete();
  }

  /** Validates the lifetimes even if validation is off: for the inspector. */
  complete(): void {
    if (this.#isComplete || this.#look === undefined) return;
    this.#isComplete = true;
    this.#found.push(...validate(this.#look()));
  }

  /**
   * Reports that a request-scoped factory has returned an object that a static provider keeps.
   *
   * @returns the finding, the first time; undefined if it is allowed, or validation is off.
   */
  handedOut(wrapper: NestWrapper): Finding | undefined {
    if (this.#handedOut.has(wrapper) || this.#look === undefined || this.isOff) return undefined;
    this.#handedOut.add(wrapper);
    // Only the current graph has modules that were loaded lazily. Their ids follow those of start-up.
    const provider = this.graph.current.of(wrapper);
    if (provider === undefined) return undefined;
    return this.foundLate(sharedByFactory(provider, this.#look()));
  }

  /**
   * Reports that a handler has left changed fields on its worker. A worker that outlives its ticks loses nothing.
   *
   * @returns the finding; undefined if it is allowed, or nothing is lost.
   */
  stateLeft(worker: NestWrapper, method: string, fields: readonly string[]): Finding | undefined {
    const isShared =
      worker.isDependencyTreeDurable() || (worker.isDependencyTreeStatic() && !worker.isTransient);
    return isShared ? undefined : this.foundLate(stateOnWorker(worker, method, fields));
  }

  /** @returns the finding, unless it is allowed. */
  private foundLate(found: Finding): Finding | undefined {
    this.#found.push(found);
    return judge([found], this.options.resolved.allowFindings).standing[0];
  }

  private get isOff(): boolean {
    return this.options.resolved.scopeValidation === 'off';
  }
}

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
