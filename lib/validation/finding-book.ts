import { finding, FINDINGS, type Finding, type FindingKind } from '../errors/finding.js';
import type { LifetimeGraph } from '../graph/lifetime-graph.js';
import { ApplicationGraph } from '../graph/read-graph.js';
import { isSingleton, tokenText, type NestWrapper } from '../nest/index.js';
import type { Allowance } from '../options/allow-options.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import {
  hookUnused,
  resourceRebuilt,
  singletonRebuilt,
} from './rules/sw201-sw202-sw212-rebuilt.js';
import { transientCaptured } from './rules/sw203-transient-captured.js';
import { durableCaptive } from './rules/sw204-durable-captive.js';
import { sharedByFactory, stateOnWorker } from './rules/sw205-sw209-found-late.js';
import { controllerRebuilt } from './rules/sw206-controller-rebuilt.js';
import { scopeNotNeeded, workerHookUnused } from './rules/sw207-sw210-workers.js';
import { lifetimeMisjudged } from './rules/sw211-lifetime-misjudged.js';
import { transactionMixed } from './rules/sw213-transaction-mixed.js';
import { TickGraph, type WorkerRoot } from './tick-graph.js';

/** The rules that read only the graph, in the order in which their findings are reported. */
const RULES: readonly ((ticks: TickGraph) => Finding[])[] = [
  lifetimeMisjudged,
  singletonRebuilt,
  durableCaptive,
  resourceRebuilt,
  transientCaptured,
  controllerRebuilt,
  workerHookUnused,
  hookUnused,
  transactionMixed,
  scopeNotNeeded,
];

/**
 * Kinds for which start-up can't report an allowance as unused. The first two are found only when a tick runs. The third depends
 * on the files and applications that the process loads, which differ in tests.
 */
const FOUND_ELSEWHERE = [
  'shared-by-factory',
  'state-on-worker',
  'worker-not-provided',
] as const satisfies FindingKind[];

/** A finding that `allowFindings` names. */
export interface AllowedFinding {
  readonly finding: Finding;
  readonly reason: string;
}

/** Validates the application at start-up, and keeps the findings from start-up and from ticks. */
export class FindingBook {
  readonly #found: Finding[] = [];
  readonly #sharedByFactory = new WeakSet<NestWrapper>();
  #look: (() => TickGraph) | undefined;
  #isComplete = false;

  constructor(
    private readonly graph: ApplicationGraph,
    private readonly options: ModuleOptionsStore,
    /** Receives the findings that ticks reveal, except those that `allowFindings` names. */
    private readonly onLateFinding?: (finding: Finding) => void,
  ) {}

  /** The graph that the rules read; undefined before `begin`. */
  get ticks(): TickGraph | undefined {
    return this.#look?.();
  }

  /** The findings that `allowFindings` doesn't name. */
  get standing(): readonly Finding[] {
    const standing = this.#found.filter((found) => this.allowanceFor(found) === undefined);
    return this.#isComplete ? [...standing, ...this.unusedAllowances()] : standing;
  }

  get allowed(): readonly AllowedFinding[] {
    return this.#found.flatMap((found) => {
      const allowance = this.allowanceFor(found);
      return allowance === undefined ? [] : { finding: found, reason: allowance.reason };
    });
  }

  /**
   * Validates the lifetimes, unless validation is off.
   *
   * @param rootsIn returns the workers; called when the graph is read.
   * @param found the findings from discovery.
   */
  begin(rootsIn: (graph: LifetimeGraph) => readonly WorkerRoot[], found: readonly Finding[]): void {
    let ticks: TickGraph | undefined;
    this.#look = () =>
      (ticks ??= new TickGraph(
        this.graph.current,
        rootsIn(this.graph.current),
        (kind, { token, name }) => this.allowanceFor({ kind, token, subject: name }) !== undefined,
        ({ token }) => found.some((known) => known.token === token),
        this.options.hasHooks,
      ));
    // If findings stopped start-up, a second `init()` starts over.
    this.#found.length = 0;
    this.#isComplete = false;
    this.#found.push(...found);
    if (!this.isOff) this.complete();
  }

  /** Validates the lifetimes even if validation is off. The inspector needs this. */
  complete(): void {
    if (this.#isComplete || this.#look === undefined) return;
    this.#isComplete = true;
    const ticks = this.#look();
    this.#found.push(...RULES.flatMap((rule) => withoutRepetition(rule(ticks))));
  }

  /** Reports, once, that a request-scoped factory has returned an object that a static provider keeps. */
  sharedByFactory(wrapper: NestWrapper): void {
    if (this.#sharedByFactory.has(wrapper) || this.#look === undefined || this.isOff) return;
    this.#sharedByFactory.add(wrapper);
    // Only the current graph has the providers of lazily loaded modules. Their ids follow those assigned at start-up.
    const provider = this.graph.current.of(wrapper);
    if (provider !== undefined) this.foundLate(sharedByFactory(provider, this.#look()));
  }

  /**
   * Reports that a handler has left changed fields on its worker. A worker that outlives its ticks isn't reported, because its
   * fields keep their values.
   */
  stateLeft(worker: NestWrapper, method: string, fields: readonly string[]): void {
    const isShared = worker.isDependencyTreeDurable() || isSingleton(worker);
    if (!isShared) this.foundLate(stateOnWorker(worker, method, fields));
  }

  private foundLate(found: Finding): void {
    if (this.#found.some((known) => isSame(known, found))) return; // for example, from a worker that runs once for each import
    this.#found.push(found);
    if (this.allowanceFor(found) === undefined) this.onLateFinding?.(found);
  }

  private allowanceFor(found: Pick<Finding, 'kind' | 'token' | 'subject'>): Allowance | undefined {
    return this.options.resolved.allowFindings.find((allowance) => fits(allowance, found));
  }

  /** Reports the entries of `allowFindings` that match no finding. */
  private unusedAllowances(): Finding[] {
    return this.options.resolved.allowFindings
      .filter((allowance) => !FOUND_ELSEWHERE.some((kind) => names(allowance, kind)))
      .filter((allowance) => !this.#found.some((found) => fits(allowance, found)))
      .map(unusedFinding);
  }

  private get isOff(): boolean {
    return this.options.resolved.scopeValidation === 'off';
  }
}

/** Removes repeated findings: a provider in several modules, or in a dynamic module registered twice, is reported once. */
function withoutRepetition(findings: readonly Finding[]): Finding[] {
  return findings.filter((found) => found === findings.find((other) => isSame(other, found)));
}

function isSame(one: Finding, other: Finding): boolean {
  return one.message === other.message && one.token === other.token;
}

function fits(
  allowance: Allowance,
  { kind, token, subject }: Pick<Finding, 'kind' | 'token' | 'subject'>,
): boolean {
  if (!names(allowance, kind)) return false;
  return (token !== undefined && allowance.token === token) || allowance.token === subject;
}

function names({ finding: named }: Allowance, kind: FindingKind): boolean {
  return named === kind || named === FINDINGS[kind].number;
}

function unusedFinding({ finding: named, token }: Allowance): Finding {
  const subject = tokenText(token);
  const message = `allowFindings names ${named} for ${subject}, but start-up reports no such finding. The entry would hide any such finding that appears later. Remove it, or correct its finding or its token.`;
  return finding({ kind: 'allowance-unused', subject, token, message });
}
