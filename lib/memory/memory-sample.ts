/** One MiB, in bytes. */
export const MIB = 1_048_576;

/**
 * One look at the memory of the process.
 *
 * @publicApi
 */
export interface MemorySample {
  /** Resident memory of the whole process: heap, buffers, code, native libraries, stacks. */
  readonly rssBytes: number;
  /** What objects take in V8's heap, garbage that was not collected yet included; no buffers. */
  readonly heapUsedBytes: number;
  /** How far V8 lets the heap grow (`--max-old-space-size`) before it ends the process. */
  readonly heapLimitBytes: number;
  /** What the process may use: the limit of its container, or all memory of the machine. */
  readonly limitBytes: number;
  /** The greater of heap used / heap limit and RSS / limit, from 0 on; 100 is full. */
  readonly percent: number;
}

/** A sample of these figures, with its percentage. */
export function memorySample(figures: Omit<MemorySample, 'percent'>): MemorySample {
  const { rssBytes, heapUsedBytes, heapLimitBytes, limitBytes } = figures;
  const percent = Math.max(heapUsedBytes / heapLimitBytes, rssBytes / limitBytes) * 100;
  return { ...figures, percent };
}
