import { turns } from './running-tick.js';

/** The rejections that nobody handles while `work` runs. */
export async function unhandledDuring(work: () => Promise<unknown>): Promise<unknown[]> {
  const reasons: unknown[] = [];
  const listener = (reason: unknown): void => void reasons.push(reason);
  process.on('unhandledRejection', listener);
  try {
    await work();
    await turns();
  } finally {
    process.off('unhandledRejection', listener);
  }
  return reasons;
}
