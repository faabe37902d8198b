/** Waits at most `timeoutMs` for `work`, then rejects. A later rejection of `work` goes to `failedLate`. */
export function within<T>(
  work: PromiseLike<T>,
  timeoutMs: number,
  onTimeout: () => Error,
  failedLate?: (error: unknown) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      reject(onTimeout());
    }, timeoutMs);
    // A thenable's `then` may itself throw; `Promise.resolve` turns that into a rejection.
    Promise.resolve(work).then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        if (isOver) return failedLate?.(error);
        clearTimeout(timer);
        reject(error as Error);
      },
    );
  });
}
