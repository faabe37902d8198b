import { ApplicationGraph, type LifetimeGraph } from '../graph/index.js';
import type { NestWrapper } from '../nest/index.js';
import { OptionsStore } from '../options/options-store.js';
import { fits, judge, type AllowedFinding } from './allowances.js';
import type { Finding } from '../errors/finding.js';
import { sharedByFactory } from './rules/sw205-shared-by-factory.js';
import { stateOnWorker } from './rules/sw209-state-on-worker.js';
import { TickGraph, type WorkerRoot } from './tick-graph.js';
import { validate } from './validator.js';

/** Looks through the application at start-up, and remembers what was found, then and later. */
export class FindingBook {
  readonly #found: Finding[] = [];
  readonly #handedOut = new WeakSet<NestWrapper>();
  #look: (() => TickGraph) | undefined;
  #isComplete = false;

  constructor(
    private readonly graph: ApplicationGraph,
    private readonly options: OptionsStore,
  ) {}

  /** What is looked at; undefined before `begin`. */
  get ticks(): TickGraph | undefined {
    return this.#look?.();
  }

  /** What is not allowed. */
  get standing(): readonly Finding[] {
    const { standing, unused } = judge(this.#found, this.options.resolved.allowFindings);
    return this.#isComplete ? [...standing, ...unused] : standing;
  }

  get allowed(): readonly AllowedFinding[] {
    return judge(this.#found, this.options.resolved.allowFindings).allowed;
  }

  /**
   * Looks at the lifetimes, unless validation is off.
   *
   * @param rootsIn gives the workers; is asked when the graph is read.
   * @param found what discovery objects to.
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
    // A second `init()` of a refused application looks again.
    this.#found.length = 0;
    this.#isComplete = false;
    this.#found.push(...found);
    if (!this.isOff) this.complete();
  }

  /** Looks at the lifetimes in any case: for the inspector. */
  complete(): void {
    if (this.#isComplete || this.#look === undefined) return;
    this.#isComplete = true;
    this.#found.push(...validate(this.#look()));
  }

  /**
   * A request-scoped factory has handed out an object that a static provider holds.
   *
   * @returns the finding, the first time; undefined when it is allowed, or validation is off.
   */
  handedOut(wrapper: NestWrapper): Finding | undefined {
    if (this.#handedOut.has(wrapper) || this.#look === undefined || this.isOff) return undefined;
    this.#handedOut.add(wrapper);
    // A module that was loaded lazily is in the graph of now, and its ids come after those of start-up.
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
