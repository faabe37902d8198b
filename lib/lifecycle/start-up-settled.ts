import type { NestInside } from '../nest/index.js';

/** An HTTP application or a microservice that doesn't listen within this time either never will, or is waiting for other work. */
const LISTEN_WITHIN_MS = 100;

/**
 * Waits until ticks that are due right after start-up can run. `init()` must return first, and a server must listen, because a
 * CPU-bound handler would delay both, and `app.listen()` begins only after `init()`. A microservice doesn't report that it
 * listens.
 */
export class StartUpSettled {
  isSettled = false;
  #isDisposed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopListening: (() => void) | undefined;
  #waiting: { readonly work: () => void; readonly otherwise: () => void }[] = [];

  constructor({ http, transports }: Pick<NestInside, 'http' | 'transports'>) {
    this.#timer = setTimeout(() => {
      if (http === undefined ? transports.length === 0 : http.listening) return this.settle();
      this.#timer = setTimeout(() => this.settle(), LISTEN_WITHIN_MS);
      const listening = http?.listen$.subscribe(() => this.settle());
      this.#stopListening = () => listening?.unsubscribe();
    }, 0);
  }

  /**
   * Calls `work` when start-up has settled, immediately if it already has; calls `otherwise` if the application is closed first.
   */
  whenSettled(work: () => void, otherwise: () => void = () => undefined): void {
    if (this.isSettled) work();
    else if (this.#isDisposed) otherwise();
    else this.#waiting.push({ work, otherwise });
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#stopListening?.();
    this.#isDisposed = true;
    for (const { otherwise } of this.#waiting.splice(0)) otherwise();
  }

  private settle(): void {
    clearTimeout(this.#timer);
    this.#stopListening?.();
    this.isSettled = true;
    for (const { work } of this.#waiting.splice(0)) work();
  }
}
