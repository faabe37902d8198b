import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import type { LongRunning, Straggler } from '../registry/long-running.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import { fromEmptyContext } from '../scope/work-context.js';
import type { OnceStore, OnceStores } from '../tick/once.js';

const LONGEST_PAUSE_MS = 3_600_000;

/** Deletes the records of the option `once` that are older than `once.keepForMs`, at least once an hour. */
export class OnceCleanup implements LongRunning {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #ignoreChanges: (() => void) | undefined;
  readonly #stopping = new AbortController();

  constructor(
    private readonly stores: OnceStores,
    private readonly book: ScheduleBook,
    private readonly options: ModuleOptionsStore,
    private readonly events: ScopedWorkerEvents,
  ) {}

  start(): void {
    this.#ignoreChanges = this.events.on('schedule:changed', ({ schedule }) => {
      // It may have been added or enabled.
      const dataSource = this.book.find(schedule)?.options.once?.dataSource;
      if (dataSource !== undefined) this.stores.use(dataSource);
      this.startTimer();
    });
    this.startTimer();
  }

  stop(): void {
    this.#ignoreChanges?.();
    clearInterval(this.#timer);
    this.#stopping.abort();
  }

  stragglers(): Straggler[] {
    const done = this.#running;
    return done === undefined ? [] : [{ name: 'the cleanup of `once`', isBrief: true, done }];
  }

  private startTimer(): void {
    if (this.#timer !== undefined || this.stores.used.length === 0) return;
    const everyMs = Math.min(this.options.resolved.once.keepForMs / 10, LONGEST_PAUSE_MS);
    const clean = (): void => {
      this.#running ??= this.clean().finally(() => (this.#running = undefined));
    };
    this.#timer = fromEmptyContext(() => setInterval(clean, everyMs)).unref();
    fromEmptyContext(clean); // for processes that end sooner
  }

  /** Never rejects. */
  private async clean(): Promise<void> {
    const before = new Date(Math.max(0, Date.now() - this.options.resolved.once.keepForMs));
    await Promise.all(this.stores.used.map((store) => this.cleanOne(store, before)));
  }

  private async cleanOne(store: OnceStore, before: Date): Promise<void> {
    try {
      await store.deleteBefore(before, this.#stopping.signal);
    } catch (error) {
      const noTick = { schedule: undefined, tickId: undefined };
      this.events.emit('failure:stray', { where: 'once-cleanup', ...noTick, error });
    }
  }
}
