import type { InjectionToken } from '@nestjs/common';
import { refuseBare } from '../errors/errors.js';
import type { ConsumerOptions, SourceOf } from '../schedule/consumer-options.js';
import { handlerDecorator } from './handler-metadata.js';

/**
 * A decorator for methods that can take the messages of a source. The compiler rejects a first parameter that is the `Tick` of
 * another message type. The compiler accepts a parameter that isn't a tick, because pipes can turn the tick into anything.
 */
type ConsumerDecorator<T> = <Method>(
  target: object,
  method: string | symbol,
  descriptor: Takes<Method, T> extends true
    ? TypedPropertyDescriptor<Method>
    : TakesTickOfAnotherMessage<T>,
) => void;

/** True if a method takes messages of type `T`. If `T` is `unknown`, every method fits. */
type Takes<Method, T> = unknown extends T
  ? true
  : Method extends (tick: infer First, ...rest: never[]) => unknown
    ? First extends TickOf<infer Payload>
      ? [T] extends [Payload]
        ? true
        : false
      : true
    : true;

/** The compiler's error text shows the name of this type. */
interface TakesTickOfAnotherMessage<Expected> {
  readonly expected: TickOf<Expected>;
}

/** The properties that distinguish a `Tick` from any other parameter of a handler. */
interface TickOf<Payload> {
  readonly payload: Payload;
  readonly attempt: number;
  readonly signal: AbortSignal;
}

/**
 * Calls the method with the `Tick` for each message from a source, each time in a new scope. The body of the message is
 * `tick.payload`. The library acknowledges a message after its scope has been committed and disposed. If the tick doesn't succeed,
 * the message goes back to the source.
 *
 * If the token is the class of the source, the compiler infers the type of its messages. The type also applies to `deadLetter`, and
 * the compiler rejects a method that takes the `Tick` of another message type. A string or a symbol carries no type: write
 * `@ScopedConsumer<Order>(ORDERS)`.
 *
 * @param source the token of a provider that is a `MessageSource`.
 * @throws {InvalidScheduleError} at start-up, if no provider has the token, if the provider isn't a `MessageSource`, or if an
 * option is invalid.
 * @publicApi
 */
export function ScopedConsumer<T = unknown>(
  source: InjectionToken<SourceOf<T>>,
  options?: ConsumerOptions<T>,
): ConsumerDecorator<T> {
  refuseBare('@ScopedConsumer(source)', arguments, { takesClass: true });
  return handlerDecorator({ kind: 'message', decorator: '@ScopedConsumer', when: source, options });
}
