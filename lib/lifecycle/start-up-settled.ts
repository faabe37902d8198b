import type { HttpAdapterHost } from '@nestjs/core';

/** An application with HTTP that does not listen by then will not, or does so later on its own account. */
const LISTEN_WITHIN_MS = 100;

/**
 * The moment from which ticks may run that are due right after start-up. `init()` must have returned, and
 * an HTTP server must listen first: a handler that burns CPU would delay both, and `app.listen()`
 * begins only after `init()`.
 */
export class StartUpSettled {
  #isSettled = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopListening: (() => void) | undefined;
  #waiting: (() => void)[] = [];

  constructor(http: HttpAdapterHost | undefined) {
    this.#timer = setTimeout(() => {
      if (http === undefined || http.listening) return this.settle();
      this.#timer = setTimeout(() => this.settle(), LISTEN_WITHIN_MS);
      const listening = http.listen$.subscribe(() => this.settle());
      this.#stopListening = () => listening.unsubscribe();
    }, 0);
  }

  /** Calls `work` at that moment; at once when it has passed, never when the application is closed before. */
  whenSettled(work: () => void): void {
    if (this.#isSettled) work();
    else this.#waiting.push(work);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#stopListening?.();
    this.#waiting = [];
  }

  private settle(): void {
    clearTimeout(this.#timer);
    this.#stopListening?.();
    this.#isSettled = true;
    for (const work of this.#waiting.splice(0)) work();
  }
}
