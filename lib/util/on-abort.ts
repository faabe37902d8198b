interface Audience {
  readonly listeners: Set<() => void>;
  readonly tell: () => void;
}

const audiences = new WeakMap<AbortSignal, Audience>();

/**
 * Calls the listener when the signal is aborted. The signal itself has a single listener, because Node warns about a leak when
 * there are more than ten.
 *
 * @returns a function that removes the listener.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const { listeners, tell } = audiences.get(signal) ?? gather(signal);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0 || audiences.get(signal)?.listeners !== listeners) return;
    audiences.delete(signal);
    signal.removeEventListener('abort', tell);
  };
}

function gather(signal: AbortSignal): Audience {
  const listeners = new Set<() => void>();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  const audience = { listeners, tell };
  audiences.set(signal, audience);
  signal.addEventListener('abort', tell);
  return audience;
}
