const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Ctrl-C under `npm start` arrives twice: from the terminal and from npm, which passes it on. */
const SAME_CTRL_C_MS = 250;

/**
 * Listens for a process signal while the shutdown waits: whoever sends another one wants it to end. The
 * signal that began the shutdown was delivered before, so it does not count.
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
      // Where nobody listens, the signal ends the process, and so it must stay.
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
