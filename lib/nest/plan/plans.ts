import type { BuildObserver } from '../build-observer.interface.js';
import type { NestInside } from '../nest-inside.js';
import type { ContextId, NestWrapper } from '../nest-types.js';
import { BuildRecording } from './build-recording.js';
import { compilePlan } from './compile-plan.js';
import type { Plan } from './plan.js';
import { PlannedBuild } from './planned-build.js';

/** How the providers of a scope are built: by plans, or always by Nest. */
export type Resolution = 'compiled' | 'nest';

/** The number of loads by Nest before a plan takes over: Nest's order is stable only from the second load on. */
const RECORDED_LOADS = 2;

/** The state of a provider: how many times Nest has loaded it, and then its plan, or the reason why it has no plan. */
interface Known {
  loads: number;
  result?: Plan | string;
}

/**
 * The plans of the providers that scopes build. Each plan is compiled from what Nest did, and discarded when a module is added.
 */
export class Plans {
  readonly #known = new Map<NestWrapper, Known>();

  constructor(private readonly nest: NestInside) {
    nest.onModuleAdded(() => this.#known.clear());
  }

  /** Returns a build that carries out a provider's plan, for the caller to run; undefined if the provider has no plan. */
  begin(root: NestWrapper, observer: BuildObserver, request: unknown): PlannedBuild | undefined {
    const result = this.#known.get(root)?.result;
    if (result === undefined || typeof result === 'string') return undefined;
    return new PlannedBuild(result, observer, request);
  }

  /** Returns the recording for a load by Nest; undefined if none is needed. */
  recordingOf(root: NestWrapper): BuildRecording | undefined {
    const known = this.#known.get(root);
    return known?.result === undefined ? new BuildRecording(known?.loads) : undefined;
  }

  /** Receives the recording of a load that has succeeded. */
  recorded(
    root: NestWrapper,
    { builds, loadsBefore }: BuildRecording,
    contextId: ContextId,
    request: unknown,
  ): void {
    const known = this.#known.get(root) ?? { loads: 0 };
    this.#known.set(root, known);
    // Concurrent loads count as one.
    if (known.result !== undefined || loadsBefore !== known.loads) return;
    known.loads += 1;
    if (known.loads < RECORDED_LOADS) return;
    const decorate = this.nest.decoratorOf(root);
    known.result = compilePlan({ root, builds, contextId, request, decorate });
  }

  /** Returns why Nest builds a provider every time; undefined if the provider has a plan, or while the reason isn't known yet. */
  whyNot(root: NestWrapper): string | undefined {
    const result = this.#known.get(root)?.result;
    return typeof result === 'string' ? result : undefined;
  }
}
