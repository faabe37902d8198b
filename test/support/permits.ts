import { gate, type Gate } from './gate.js';

/** Lets work through piece by piece, as the test says. */
export interface Permits {
  /** Pieces that were let through. */
  readonly taken: number;
  /** Waits until this piece is let through. */
  take(): Promise<void>;
  /** Lets so many pieces through, and resolves when they have come; at once after `giveAll()`. */
  give(count: number): Promise<void>;
  /** Lets everything through. */
  giveAll(): void;
}

export function permits(): Permits {
  let left = 0;
  let taken = 0;
  const waiting: Gate[] = [];
  const watchers: { readonly at: number; readonly reached: Gate }[] = [];
  const letThrough = (): void => {
    while (left > 0 && waiting.length > 0) {
      left -= 1;
      taken += 1;
      waiting.shift()!.open();
    }
    for (const { at, reached } of watchers) if (taken >= at) reached.open();
  };
  return {
    get taken() {
      return taken;
    },
    take: () => {
      const mine = gate();
      waiting.push(mine);
      letThrough();
      return mine.opened;
    },
    give: (count) => {
      if (left === Infinity) return Promise.resolve();
      const reached = gate();
      watchers.push({ at: taken + left + count, reached });
      left += count;
      letThrough();
      return reached.opened;
    },
    giveAll: () => {
      left = Infinity;
      letThrough();
    },
  };
}
