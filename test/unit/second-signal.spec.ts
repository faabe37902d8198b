import { afterEach, describe, expect, it } from '@jest/globals';
import { SecondSignal } from '../../lib/lifecycle/signals.js';
import { turn } from '../support/gate.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

describe('A second signal', () => {
  let second: SecondSignal;
  const ours = (): void => undefined;

  afterEach(() => {
    second.dispose();
    for (const signal of SIGNALS) process.removeListener(signal, ours);
  });

  it.each([0, 1, 2])(
    '[D8] counts after the repetitions of %d closed applications',
    async (closed) => {
      const ofOthers = Array.from({ length: closed }, () => (): void => undefined);
      for (const signal of SIGNALS)
        for (const listener of [ours, ...ofOthers]) process.on(signal, listener);
      second = new SecondSignal();
      let isReceived = false;
      void second.received.then(() => (isReceived = true));
      // Nest listens to each signal with one function, and sends one signal again.
      for (const signal of SIGNALS)
        for (const listener of ofOthers) process.removeListener(signal, listener);
      for (let repetition = 0; repetition < closed; repetition += 1) process.emit('SIGTERM');
      await turn();
      expect(isReceived).toBe(false);
      process.emit('SIGTERM');
      await turn();
      expect(isReceived).toBe(true);
    },
  );
});
