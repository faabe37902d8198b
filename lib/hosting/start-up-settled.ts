import type { HttpAdapterHost } from '@nestjs/core';

/** An application with HTTP that does not listen by then will not, or does so later on its own account. */
const LISTEN_WITHIN_MS = 100;

/**
 * Settles when a tick may run that is due right after start-up. `init()` must have returned, and an
 * HTTP server must listen first: a handler that burns CPU would delay both, and `app.listen()` begins only after `init()`.
 */
export async function startUpSettled(http: HttpAdapterHost | undefined): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  if (http === undefined || http.listening) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, LISTEN_WITHIN_MS);
    const listening = http.listen$.subscribe(done);
    function done(): void {
      clearTimeout(timer);
      listening.unsubscribe();
      resolve();
    }
  });
}
