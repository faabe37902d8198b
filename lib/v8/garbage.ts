import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options?: { readonly type: 'minor' }) => void;

/** Undefined until the first call; null if V8 doesn't provide it. */
let collect: Collect | null | undefined;

/**
 * Collects the garbage among V8's young objects. A scavenge takes time for the survivors, not for the size of the heap. It runs
 * twice: survivors are old then and aren't copied again, and V8 subtracts the memory of dead buffers in the next collection.
 *
 * @returns false if this isn't possible.
 */
export function collectYoungGarbage(): boolean {
  const collectGarbage = loadedCollector();
  collectGarbage?.({ type: 'minor' });
  collectGarbage?.({ type: 'minor' });
  return collectGarbage !== null;
}

/**
 * Collects all garbage, which stops the process for about a millisecond for each MiB of small live objects (Node 20).
 *
 * @returns false if this isn't possible.
 */
export function collectAllGarbage(): boolean {
  const collectGarbage = loadedCollector();
  if (collectGarbage === null) return false;
  // V8 drops bytecode that did not run during several collections, and would compile it again in the middle of a tick.
  setFlagsFromString('--no-flush-bytecode');
  try {
    collectGarbage();
  } finally {
    setFlagsFromString('--flush-bytecode');
  }
  return collectYoungGarbage();
}

function loadedCollector(): Collect | null {
  if (collect === undefined) collect = collector() ?? null;
  return collect;
}

/** Returns the `gc` of `--expose-gc`, from a new context: the flag adds it there and leaves the global object unchanged. */
function collector(): Collect | undefined {
  try {
    if (typeof globalThis.gc === 'function') return globalThis.gc as Collect;
    setFlagsFromString('--expose-gc');
    try {
      return runInNewContext('typeof gc === "function" ? gc : undefined') as Collect | undefined;
    } finally {
      setFlagsFromString('--no-expose-gc');
    }
  } catch {
    // Not V8, or frozen flags: growth isn't measured.
    return undefined;
  }
}
