/** When the memory watch warns: at so many MiB, at a percentage, or never. */
type WarnAt =
  | {
      /**
       * Warns when the resident memory (RSS) of the process reaches so many MiB (1,048,576 bytes). RSS is what a container's limit
       * and the kernel's out-of-memory killer count.
       */
      readonly warnAtMb?: number;
      readonly warnAtPercent?: never;
    }
  | {
      readonly warnAtMb?: never;
      /**
       * Warns when the greater of two shares reaches this percentage: heap in use of V8's heap limit, and RSS of the memory that
       * the process may use (its container's limit, or all of the machine's). Above 0, up to 100.
       */
      readonly warnAtPercent?: number;
    };

/** When the memory watch stops the application: at so many MiB, at a percentage, or never. */
type StopAt =
  | {
      /** As `warnAtMb`: the application is closed with all its hooks, and the process ends. Above `warnAtMb`. */
      readonly stopAtMb?: number;
      readonly stopAtPercent?: never;
    }
  | {
      readonly stopAtMb?: never;
      /** As `warnAtPercent`: the application is closed with all its hooks, and the process ends. Above `warnAtPercent`. */
      readonly stopAtPercent?: number;
    };

/**
 * What the memory watch looks for. Without any threshold it takes samples and says which schedules grow.
 *
 * @publicApi
 */
export type MemoryOptions = WarnAt &
  StopAt & {
    /** Milliseconds from check to check, 100 at least. @defaultValue 10_000 */
    readonly checkEveryMs?: number;
  };

export const DEFAULT_CHECK_EVERY_MS = 10_000;
