import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options?: { readonly type: 'minor' }) => void;

/** Undefined until the first call; null if not available. */
let collect: Collect | null | undefined;

/**
 * Collects the garbage among V8's young objects: a scavenge, which takes time for what survives, not for the size of the heap.
 * Twice: what survives is old then and not copied again, and the memory of dead buffers is counted off in the next
 * collection only.
 *
 * @returns false if this is not possible.
 */
export function collectYoungGarbage(): boolean {
  const collectGarbage = loadedCollector();
  collectGarbage?.({ type: 'minor' });
  collectGarbage?.({ type: 'minor' });
  return collectGarbage !== null;
}

/**
 * Collects all garbage and stops the process meanwhile: about a millisecond for each MiB of small live objects (Node 20).
 *
 * @returns false if this is not possible.
 */
export function collectAllGarbage(): boolean {
  const collectGarbage = loadedCollector();
  if (collectGarbage === null) return false;
  // V8 drops bytecode that did not run during several collections, and compiles it again in the
  // middle of a tick.
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

/** `gc` as `--expose-gc` gives it: a new context has it while the flag is set, and the global object stays as it is. */
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
    // Another engine than V8, or flags that are frozen: what ticks leave is not measured.
    return undefined;
  }
}
