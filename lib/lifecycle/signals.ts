import { Logger, ShutdownSignal } from '@nestjs/common';
import { isMainThread } from 'node:worker_threads';
import type { NestInside } from '../nest/index.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Ctrl-C under `npm start` arrives twice: from the terminal, and from npm, which forwards it. */
const SAME_CTRL_C_MS = 250;

/**
 * Listens for a process signal while the shutdown waits, which ends the wait. The signal that began the shutdown was delivered
 * before, so it doesn't count.
 */
export class SecondSignal {
  readonly received: Promise<void>;
  #dispose!: () => void;

  constructor() {
    const startedAt = Date.now();
    this.received = new Promise((resolve) => {
      const onSignal = (signal: NodeJS.Signals): void => {
        if (signal === 'SIGINT' && Date.now() - startedAt < SAME_CTRL_C_MS) return;
        resolve();
      };
      // A signal without listeners ends the process, and must still do so.
      const heard = SIGNALS.filter((signal) => process.listenerCount(signal) > 0);
      for (const signal of heard) process.on(signal, onSignal);
      this.#dispose = () => {
        for (const signal of heard) process.removeListener(signal, onSignal);
      };
    });
  }

  dispose(): void {
    this.#dispose();
  }
}

/** Later than most calls of `enableShutdownHooks()`, which may follow `listen()`; scripts have ended by then. */
const LOOK_AFTER_MS = 10_000;

/**
 * Logs once, some time after start-up, that a signal would end the process without a drain. A provider can't know whether
 * `enableShutdownHooks()` was called, but without signal listeners, neither Nest nor the application handles a signal.
 */
export class SignalHint {
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly nest: NestInside) {}

  begin(): void {
    // A worker thread receives no signals and cannot see the listeners of the main thread.
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
      'This process handles no signal: SIGTERM ends it at once, and running work is not drained. Call app.enableShutdownHooks(), or call app.close() in your own signal handler.',
    );
  }
}
