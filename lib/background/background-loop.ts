import type { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import type { AppStopper } from '../nest/app-stopper.js';
import type { Straggler } from '../registry/long-running.js';
import type { BackgroundWorker, BackgroundFailurePolicy } from './background-worker.js';
import { TickSignal } from '../tick/tick-signal.js';
import { judgeWork } from '../tick/verdict.js';
import { fromEmptyContext, isInside, WorkContext, type WorkOwner } from '../scope/work-context.js';
import { Backoff } from '../util/backoff.js';
import { pause } from '../util/pause.js';

const FIRST_RESTART_MS = 1_000;
const LONGEST_RESTART_MS = 60_000;

/** Runs one background worker until it is done. With `onFailure: 'restart'`, restarts a failed worker until the shutdown begins. */
export class BackgroundLoop implements WorkOwner {
  readonly isAwaited = true;
  readonly #backoff = new Backoff(FIRST_RESTART_MS, LONGEST_RESTART_MS);
  readonly #shutdown = new AbortController();
  /** The signal of the last run. It is kept after that run, so that its listeners are still notified of the shutdown. */
  #signal: TickSignal | undefined;
  #running: Promise<unknown> | undefined;
  readonly #method: string;
  readonly #policy: BackgroundFailurePolicy;

  constructor(
    private readonly name: string,
    private readonly worker: BackgroundWorker,
    private readonly events: ScopedWorkerEvents,
    private readonly stopper: AppStopper,
  ) {
    this.#method = `${name}.execute`;
    this.#policy = worker.onFailure;
  }

  /** Starts the worker in a separate macrotask, because `execute` may block. Returns immediately. */
  start(): void {
    fromEmptyContext(() => setImmediate(() => void this.live()));
  }

  /** Prevents further restarts. */
  stop(): void {
    this.#shutdown.abort();
  }

  interrupt(): void {
    const why = `${this.#method} was aborted: the application is shutting down.`;
    this.#signal?.abort(new DOMException(why, 'AbortError'));
  }

  /** Returns the current run, unless the caller is part of it. */
  stragglers(): Straggler[] {
    if (this.#running === undefined || isInside(this)) return [];
    return [{ name: this.#method, done: this.#running }];
  }

  private async live(): Promise<void> {
    while (!this.isStopped) {
      const restartInMs = await (this.#running = this.run());
      if (restartInMs === undefined) return;
      await pause(restartInMs, this.#shutdown.signal);
    }
  }

  /** Calls `execute` once; never rejects. @returns the milliseconds until the next call, if any. */
  private async run(): Promise<number | undefined> {
    const signal = (this.#signal = new TickSignal((error) => this.listenerFailed(error)));
    const context = new WorkContext(this, undefined);
    const startedAt = performance.now();
    try {
      await context.runIsolated(async () => this.worker.execute(signal.signal));
      if (!this.isStopped) this.events.emit('background:ended', { worker: this.name });
      return undefined;
    } catch (error) {
      return this.failed(error, signal, performance.now() - startedAt);
    } finally {
      this.#running = undefined; // before `end()`: a shutdown that this run began must not wait for the run
      context.end();
    }
  }

  private failed(error: unknown, signal: TickSignal, ranMs: number): number | undefined {
    // Nothing is aborted before the listeners for `shutdown:started` have finished, so an error before that is a failure.
    const cause = this.isStopped && signal.signal.aborted ? 'shutdown' : undefined;
    const { outcome } = judgeWork({ phase: 'handler', error }, signal.signal, cause);
    if (outcome === 'cancelled') return undefined;
    signal.abort(new DOMException(`${this.#method} has failed: this run is over.`, 'AbortError'));
    if (ranMs > LONGEST_RESTART_MS) this.#backoff.reset();
    const policy = this.isStopped ? 'ignore' : this.#policy;
    const restartInMs = policy === 'restart' ? this.#backoff.next() : undefined;
    this.events.emit('background:failed', { worker: this.name, error, restartInMs });
    if (policy === 'stop-app')
      fromEmptyContext(() => void this.stopper.stopAfterFailure(this.#method));
    return restartInMs;
  }

  private listenerFailed(error: unknown): void {
    const [schedule, tickId, worker] = [undefined, undefined, this.name];
    this.events.emit('failure:stray', { where: 'abort-listener', schedule, tickId, worker, error });
  }

  private get isStopped(): boolean {
    return this.#shutdown.signal.aborted;
  }
}
