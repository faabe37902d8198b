import type { Delivery, InMemoryQueue } from '../../lib/index.js';
import { turn } from './gate.js';

const readers = new Set<AbortController>();

/** For `afterEach`: ends what was read. */
export function stopReaders(): void {
  for (const reader of readers) reader.abort();
  readers.clear();
}

/** One iteration of the queue. */
export function queueReader<T>(queue: InMemoryQueue<T>) {
  const stopping = new AbortController();
  readers.add(stopping);
  const iterator = queue.read(stopping.signal)[Symbol.asyncIterator]();
  return {
    signal: stopping.signal,
    stop: () => stopping.abort(),
    raw: () => iterator.next(),
    async next(): Promise<Delivery<T>> {
      const { done, value } = await iterator.next();
      if (done === true) throw new Error('The iteration has ended.');
      return value as Delivery<T>;
    },
  };
}

/** Whether a promise has settled by now. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => void (settled = true);
  promise.then(settle, settle);
  await turn();
  return settled;
}
