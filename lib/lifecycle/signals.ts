import { Logger, ShutdownSignal } from '@nestjs/common';
import { isMainThread } from 'node:worker_threads';
import type { NestInside } from '../nest/index.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Under `npm start`, Ctrl-C arrives twice within this time: from the terminal, and from npm, which forwards it. */
const SAME_CTRL_C_MS = 250;

/** Nest sends a signal again right after it has removed its listener. A blocked event loop may delay that signal this long. */
const REPEAT_MS = 1_000;

/** The listeners of all `SecondSignal`s in the process. */
const own = new Set<unknown>();

/**
 * Listens for a process signal while the shutdown waits, and ends the wait when one arrives. The signal that began the shutdown
 * arrived earlier, so it doesn't count. When Nest has closed another application in the process, it removes that
 * application's listener and sends the signal again. That signal doesn't count either.
 */
export class SecondSignal {
  readonly received: Promise<void>;
  #dispose!: () => void;

  constructor() {
    const startedAt = Date.now();
    // A signal without listeners ends the process, and must still do so.
    const heard = SIGNALS.filter((signal) => process.listenerCount(signal) > 0);
    this.received = new Promise((resolve) => {
      /** For each removed listener, the time until which the repeated signal is expected. */
      const repeats = new Map<unknown, number>();
      const onRemoved = (event: string | symbol, listener: unknown): void => {
        if ((heard as unknown[]).includes(event) && !own.has(listener))
          repeats.set(listener, Date.now() + REPEAT_MS); // Nest removes one listener from several signals
      };
      const onSignal = (signal: NodeJS.Signals): void => {
        const now = Date.now();
        for (const [listener, until] of repeats) {
          repeats.delete(listener);
          if (until > now) return;
        }
        if (signal !== 'SIGINT' || now - startedAt >= SAME_CTRL_C_MS) resolve();
      };
      own.add(onSignal);
      process.on('removeListener', onRemoved);
      for (const signal of heard) process.prependListener(signal, onSignal); // before listeners that run once and remove themselves
      this.#dispose = () => {
        process.removeListener('removeListener', onRemoved);
        for (const signal of heard) process.removeListener(signal, onSignal);
        own.delete(onSignal);
      };
    });
  }

  dispose(): void {
    this.#dispose();
  }
}

/** Later than most calls to `enableShutdownHooks()`, which may follow `listen()`; scripts have ended by then. */
const LOOK_AFTER_MS = 10_000;

/**
 * Logs once, some time after start-up, that a signal would end the process without a drain. A provider can't know whether
 * `enableShutdownHooks()` was called, but without signal listeners, neither Nest nor the application handles a signal.
 */
export class SignalWarning {
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly nest: NestInside) {}

  begin(): void {
    // A worker thread receives no signals and can't see the listeners of the main thread.
    if (this.nest.isTestingModule || !isMainThread) return;
    this.#timer = setTimeout(() => this.look(), LOOK_AFTER_MS).unref();
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  private look(): void {
    // Process managers may send a message instead of a signal.
    const ways = [...Object.values(ShutdownSignal), 'message'];
    if (ways.some((way) => process.listenerCount(way) > 0)) return;
    new Logger('ScopedWorker').warn(
      "This process doesn't handle any signals. SIGTERM ends it immediately or, if it is PID 1 in a container, has no effect. Either way, running work is not drained. Call app.enableShutdownHooks(), or call app.close() in your own signal handler.",
    );
  }
}
