/** One MiB, in bytes. */
export const MIB = 1_048_576;

/**
 * One sample of the memory of the process.
 *
 * @publicApi
 */
export interface MemorySample {
  /** Resident memory of the whole process: heap, buffers, code, native libraries, stacks. */
  readonly rssBytes: number;
  /** The size of all objects in V8's heap, including garbage that isn't collected yet, without buffers. */
  readonly heapUsedBytes: number;
  /** The size (`--max-old-space-size`) beyond which V8 ends the process. */
  readonly heapLimitBytes: number;
  /** The memory that the process may use: the limit of its container, or all memory of the machine. */
  readonly limitBytes: number;
  /** The greater of heap used / heap limit and RSS / limit, in percent. */
  readonly percent: number;
}

/** Returns a sample of these figures, with its percentage. */
export function memorySample(figures: Omit<MemorySample, 'percent'>): MemorySample {
  const { rssBytes, heapUsedBytes, heapLimitBytes, limitBytes } = figures;
  const percent = Math.max(heapUsedBytes / heapLimitBytes, rssBytes / limitBytes) * 100;
  return { ...figures, percent };
}
