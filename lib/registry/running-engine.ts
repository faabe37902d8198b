import { inProcessEngine } from '../engine/in-process-engine.js';
import type { Engine, EngineHost } from '../engine/engine.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import type { Schedule } from '../schedule/schedule.js';
import { fromEmptyContext } from '../scope/work-context.js';
import { isThenable } from '../util/values.js';
import type { Straggler } from './long-running.js';

/**
 * Runs the engine from the options or, by default, the in-process engine. Notifies the engine of changes only while the engine is
 * running. If the engine fails at run time, only emits the error: the schedule book and the dispatcher work without the engine.
 */
export class RunningEngine {
  #engine: Engine | undefined;
  #isRunning = false;
  #isStopped = false;
  #starting: Promise<void> | undefined;
  /** Set while the engine is stopping. */
  #stopping: Promise<void> | undefined;

  constructor(
    private readonly options: ModuleOptionsStore,
    private readonly events: ScopedWorkerEvents,
  ) {}

  /** Starts the engine. @throws the engine's error. */
  async start(schedules: readonly Schedule[], host: EngineHost): Promise<void> {
    this.#starting = this.inEmptyContext(async (engine) => {
      await Promise.resolve(); // `#starting` is set first, because a listener for missed slots may change a schedule
      await engine.start(schedules.filter(isTimed), host);
    });
    await this.#starting;
    this.#isRunning = !this.#isStopped;
  }

  /** Stops the engine; if it is still starting, stops it once it has started. Until it has stopped, `stragglers()` returns it. */
  stop(): void {
    if (this.#isStopped) return;
    const starting = this.#isRunning ? undefined : this.#starting;
    const isNeeded = this.#isRunning || starting !== undefined;
    this.#isRunning = false;
    this.#isStopped = true;
    if (!isNeeded) return;
    let isPending = starting !== undefined;
    const stop = (): Promise<void> =>
      this.tell(undefined, (engine) => {
        const stopped = engine.stop();
        isPending ||= isThenable(stopped);
        return stopped;
      });
    // An engine that refused to start isn't stopped: it may belong to another application.
    const told = starting === undefined ? stop() : starting.then(stop, () => undefined);
    if (isPending) this.#stopping = told.then(() => void (this.#stopping = undefined));
  }

  /**
   * Returns the engine while it is stopping. The engine may wait for the ticks that it has fired, so the drain continues in the
   * meantime.
   */
  stragglers(): Straggler[] {
    if (this.#stopping === undefined) return [];
    return [{ name: `the engine (${this.engine.name})`, isBrief: true, done: this.#stopping }];
  }

  add(schedule: Schedule): void {
    void this.tellOf(schedule, (engine) => engine.add(schedule));
  }

  replace(schedule: Schedule): void {
    void this.tellOf(schedule, (engine) => engine.replace(schedule));
  }

  remove(schedule: Schedule): void {
    void this.tellOf(schedule, (engine) => engine.remove(schedule.name));
  }

  pause(schedule: Schedule): void {
    void this.tellOf(schedule, (engine) => engine.pause(schedule.name));
  }

  resume(schedule: Schedule): void {
    void this.tellOf(schedule, (engine) => engine.resume(schedule.name));
  }

  nextRun(schedule: Schedule): Date | undefined {
    if (!this.#isRunning || !isTimed(schedule)) return undefined;
    try {
      return this.engine.nextRun(schedule.name);
    } catch (error) {
      this.failed(schedule.name, error);
      return undefined;
    }
  }

  private get engine(): Engine {
    return (this.#engine ??= this.options.resolved.engine ?? inProcessEngine());
  }

  private async tellOf(
    schedule: Schedule,
    what: (engine: Engine) => void | Promise<void>,
  ): Promise<void> {
    if (!isTimed(schedule)) return;
    // The list that the engine started with doesn't include later changes.
    if (!this.#isRunning && this.#starting !== undefined)
      await this.#starting.catch(() => undefined);
    if (this.#isRunning) await this.tell(schedule.name, what);
  }

  private async tell(
    schedule: string | undefined,
    what: (engine: Engine) => void | Promise<void>,
  ): Promise<void> {
    try {
      await this.inEmptyContext(what);
    } catch (error) {
      this.failed(schedule, error);
    }
  }

  /** Calls the engine in an empty AsyncLocalStorage context, so that its timers don't keep the caller's stores alive. */
  private inEmptyContext(what: (engine: Engine) => void | Promise<void>): Promise<void> {
    return fromEmptyContext(async () => what(this.engine));
  }

  private failed(schedule: string | undefined, error: unknown): void {
    this.events.emit('failure:stray', { where: 'engine', schedule, tickId: undefined, error });
  }
}

/** Returns false for consumers, which engines don't know about: messages have no due time. */
function isTimed({ kind }: Schedule): boolean {
  return kind !== 'message';
}
