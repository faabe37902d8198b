/** A promise that the test settles: a handler awaits it, the test opens it. */
export interface Gate<T = void> {
  readonly opened: Promise<T>;
  open(value: T): void;
  fail(error: unknown): void;
}

export function gate<T = void>(): Gate<T> {
  let open!: (value: T) => void;
  let fail!: (error: unknown) => void;
  const opened = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { opened, open, fail };
}

/** Settles when `count` calls of `hit()` have been made: waits for an event instead of sleeping. */
export function countdown(count: number): { hit(): void; readonly done: Promise<void> } {
  const { opened, open } = gate();
  let left = count;
  return {
    hit: () => {
      left -= 1;
      if (left === 0) open();
    },
    done: opened,
  };
}

/** Lets promise callbacks run that are ready, and one turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Waits some real time: only to show that something does not happen in it. */
export function quietFor(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
