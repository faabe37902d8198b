import { isAbortError } from '../errors/error-parts.js';
import { TickSignal } from '../tick/tick-signal.js';
import type { Delivery, MessageSource } from './source/message-source.js';
import { show } from '../util/option-checks.js';
import { pause } from '../util/pause.js';
import { isThenable } from '../util/values.js';

/** The time in ms within which a source must end after its signal is aborted; the library reports a source that takes longer. */
const CLOSING_MS = 1_000;

/** Receives the messages and errors that no method of the iteration returns or throws. */
export interface IterationObserver {
  /** Called when a message arrives after the iteration was stopped. */
  late(delivery: Delivery): void;
  /** Called when a listener on the signal throws. */
  listenerFailed(error: unknown): void;
  /** Called when the source doesn't end in time, or fails while the library isn't reading it. */
  endFailed(error: unknown): void;
}

/** Iterates once over a source, from the call to `read()` until the source ends. `ConsumerLoop` then reopens the source. */
export class SourceIteration {
  readonly #signal: TickSignal;
  #iterator: AsyncIterator<Delivery> | undefined;
  /** True once the source has ended the iteration, or has failed. */
  #isOver = false;
  /** The promise for the most recently requested message. */
  #arriving: Promise<unknown> = Promise.resolve();
  /** Makes `next()` stop waiting for the requested message. */
  #wake: () => void = () => undefined;
  #ended = Promise.resolve();

  constructor(
    /** The name of the consumer, for error texts. */
    private readonly name: string,
    private readonly source: MessageSource,
    private readonly observer: IterationObserver,
  ) {
    this.#signal = new TickSignal((error) => observer.listenerFailed(error));
  }

  /**
   * Requests the next delivery. A message that arrives after the signal was aborted goes to `late()`.
   *
   * @returns the delivery; undefined if the source ended the iteration or the signal was aborted.
   * @throws the error of the source.
   */
  async next(): Promise<Delivery | undefined> {
    const { signal } = this.#signal;
    const arriving = (this.#arriving = this.ask());
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      arriving.then(() => resolve(), resolve);
    });
    if (!signal.aborted) return arriving;
    arriving.then(
      (late) => late !== undefined && this.observer.late(late),
      (error: unknown) => this.failedToEnd(error),
    );
    return undefined;
  }

  /** Aborts the signal of the source. */
  stop(why: string): void {
    this.#signal.abort(
      new DOMException(`The source of ${this.name} must end: ${why}.`, 'AbortError'),
    );
    this.#wake();
  }

  /**
   * Ends the iteration, so that the source can take back its messages; never rejects. Reports a source that doesn't end within a
   * second; `ended` waits longer.
   */
  async end(): Promise<void> {
    this.stop('the library has stopped reading it');
    const done = new AbortController();
    this.#ended = Promise.allSettled([this.#arriving, this.return()]).then(() => done.abort());
    await pause(CLOSING_MS, done.signal);
    if (!done.signal.aborted)
      this.observer.endFailed(
        new Error(
          `The source of ${this.name} did not end within ${CLOSING_MS} ms after its signal was aborted. A message that it still delivers is returned to it unhandled. Make read(signal) end when the signal is aborted.`,
        ),
      );
  }

  /** Resolves after `end()`, when no more messages can arrive; never rejects. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Reports an error from a source that isn't read again. Ignores an abort error, because a source may end with one. */
  failedToEnd(error: unknown): void {
    if (!isAbortError(error, this.#signal.signal)) this.observer.endFailed(error);
  }

  private async return(): Promise<void> {
    if (this.#isOver) return;
    try {
      await this.#iterator?.return?.();
    } catch (error) {
      this.failedToEnd(error);
    }
  }

  /** @throws TypeError if the result of `read()` can't be iterated. */
  private open(): AsyncIterator<Delivery> {
    const iterable: unknown = this.source.read(this.#signal.signal);
    const iterate = (iterable as Partial<AsyncIterable<Delivery>> | null)?.[Symbol.asyncIterator];
    if (typeof iterate === 'function') return iterate.call(iterable as AsyncIterable<Delivery>);
    const isPending = isThenable(iterable);
    if (isPending) void Promise.resolve(iterable).catch((error) => this.failedToEnd(error));
    const shown = isPending ? 'a promise' : show(iterable);
    throw new TypeError(
      `read() of the source returned ${shown}, which isn't an AsyncIterable. Write it as async *read(signal), and yield each delivery.`,
    );
  }

  private async ask(): Promise<Delivery | undefined> {
    let result: IteratorResult<Delivery>;
    try {
      this.#iterator ??= this.open();
      result = await this.#iterator.next();
      if (typeof result !== 'object' || result === null)
        throw new TypeError(
          `next() of the source returned ${show(result)} instead of { done, value }.`,
        );
    } catch (error) {
      this.#isOver = true;
      throw error;
    }
    if (result.done !== true) return checked(result.value);
    this.#isOver = true;
    return undefined;
  }
}

/**
 * Reads every field: a getter that throws must make the source fail, not crash the process.
 *
 * @throws TypeError if the value isn't a delivery.
 */
function checked(value: unknown): Delivery {
  const { id, ack, nack, body: _body, deliveries: _count } = (value ?? {}) as Partial<Delivery>;
  if (typeof id === 'string' && typeof ack === 'function' && typeof nack === 'function')
    return value as Delivery;
  const wrong =
    typeof id === 'string'
      ? `its ${typeof ack === 'function' ? 'nack' : 'ack'} isn't a function`
      : `its id is ${show(id)}, not a string`;
  throw new TypeError(
    `The source yielded ${show(value)}, which isn't a delivery: ${wrong}. A delivery is { id: string, body, ack(), nack(error?) }.`,
  );
}
