import type { ConsumerOptions } from '../schedule/consumer-options.js';
import { addHandler } from './worker-metadata.js';

/**
 * Calls the method for each message of a source, each time in a scope of its own, with the `Tick`: the message's body is
 * `tick.payload`. A message is acknowledged after its scope has committed and was disposed; it goes back when the tick
 * did not succeed.
 *
 * @param source token of a provider that is a `MessageSource`.
 * @throws {InvalidScheduleError} at start-up, when no provider has the token, when it is no `MessageSource`, or when options
 * cannot work.
 * @publicApi
 */
export function ScopedConsumer(source: unknown, options?: ConsumerOptions): MethodDecorator {
  return (target, method) =>
    addHandler(target, {
      kind: 'message',
      decorator: '@ScopedConsumer',
      method: String(method),
      when: source,
      options,
    });
}
