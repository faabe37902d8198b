import { cpus } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose_gc');
export const collectGarbage = runInNewContext('gc') as () => void;

/** True to check only that a benchmark works. */
export const isQuick = process.argv.includes('--quick');

/** Returns a count, or a small one to check only that the benchmark works. */
export function many(usual: number, quick = 2): number {
  return isQuick ? quick : usual;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)!;
}

/** Returns undefined if there are no values. */
export function percentile(values: readonly number[], part: number): number | undefined {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)];
}

/** Returns the microseconds of one call, as the mean of a batch. */
export async function timeBatch(calls: number, work: () => unknown): Promise<number> {
  const startedAt = performance.now();
  for (let call = 0; call < calls; call += 1) {
    const result = work();
    if (result instanceof Promise) await result;
  }
  return ((performance.now() - startedAt) * 1_000) / calls;
}

export function printMachine(): void {
  console.log(
    `Node ${process.version}, ${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores`,
  );
}
