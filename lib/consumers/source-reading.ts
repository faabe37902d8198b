import { isAbortError } from '../errors/error-parts.js';
import { TickSignal } from '../tick/tick-attempt.js';
import type { Delivery, MessageSource } from './source/message-source.js';
import { show } from '../util/option-checks.js';
import { onAbort } from '../util/on-abort.js';
import { pause } from '../util/pause.js';

/** How long a source may take to end its iteration after its signal is aborted, before the library reports it. */
const CLOSING_MS = 1_000;

/** What becomes of a reading where nobody waits for it. */
export interface ReadingObserver {
  /** A message that arrives when nobody wants it any more. */
  late(delivery: Delivery): void;
  /** A listener of the signal threw. */
  listenerFailed(error: unknown): void;
  /** The source did not end in time, or failed to. */
  endFailed(error: unknown): void;
}

/** One iteration of a source, from `read()` to its end. */
export class SourceReading {
  readonly #signal: TickSignal;
  #iterator: AsyncIterator<Delivery> | undefined;
  /** The source ended it, or failed. */
  #isOver = false;
  /** Settles with the last `next()`. */
  #arriving = Promise.resolve();
  #ended = Promise.resolve();

  constructor(
    /** The consumer's, for messages. */
    private readonly name: string,
    private readonly source: MessageSource,
    private readonly observer: ReadingObserver,
  ) {
    this.#signal = new TickSignal((error) => observer.listenerFailed(error));
  }

  /**
   * @returns undefined when the source has ended the iteration, or was told to; what still arrives then is late.
   * @throws what the source throws.
   */
  async next(): Promise<Delivery | undefined> {
    const { signal } = this.#signal;
    const arriving = this.ask();
    this.#arriving = arriving.then(nothing, nothing);
    let off = (): void => undefined;
    const told = new Promise<void>((resolve) => (off = onAbort(signal, resolve)));
    try {
      await Promise.race([arriving, told]);
    } finally {
      off();
    }
    if (!signal.aborted) return arriving;
    arriving.then(
      (late) => late !== undefined && this.observer.late(late),
      (error: unknown) => this.failedToEnd(error),
    );
    return undefined;
  }

  /** Tells the source to end. */
  stop(why: string): void {
    this.#signal.abort(
      new DOMException(`The source of ${this.name} was told to end: ${why}.`, 'AbortError'),
    );
  }

  /**
   * Lets the source take back its messages. Waits at most a second, then reports that the source hangs; `ended` waits longer.
   * Never rejects.
   */
  async end(): Promise<void> {
    this.stop('this reading is over');
    const done = new AbortController();
    this.#ended = Promise.all([this.#arriving, this.return()]).then(() => done.abort());
    await pause(CLOSING_MS, done.signal);
    if (!done.signal.aborted)
      this.observer.endFailed(
        new Error(
          `The source of ${this.name} did not end within ${CLOSING_MS} ms of its signal. A message that it still delivers goes back. Let read(signal) end when the signal is aborted.`,
        ),
      );
  }

  /** Settles after `end()`, when no message can arrive any more; never rejects. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Reports an error of a source that is not read again. To end with the error of the abort is what a source is expected to do. */
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

  private async ask(): Promise<Delivery | undefined> {
    let result: IteratorResult<Delivery>;
    try {
      this.#iterator ??= iteratorOf(this.source.read(this.#signal.signal));
      result = await this.#iterator.next();
      if (typeof result !== 'object' || result === null)
        throw new TypeError(
          `The next() of the source gave ${show(result)}, and not { done, value }.`,
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

function nothing(): void {}

/** @throws TypeError when `read()` gave what cannot be iterated. */
function iteratorOf(iterable: AsyncIterable<Delivery>): AsyncIterator<Delivery> {
  const iterate = (iterable as Partial<AsyncIterable<Delivery>> | null)?.[Symbol.asyncIterator];
  if (typeof iterate === 'function') return iterate.call(iterable);
  const shown = (iterable as unknown) instanceof Promise ? 'a promise' : show(iterable);
  throw new TypeError(
    `read() of the source gave ${shown}, which is no AsyncIterable: write it as async *read(signal), and yield each delivery.`,
  );
}

/** @throws TypeError when a source gives what is no delivery. */
function checked(value: unknown): Delivery {
  const { id, ack, nack } = (value ?? {}) as Partial<Delivery>;
  if (typeof id === 'string' && typeof ack === 'function' && typeof nack === 'function')
    return value as Delivery;
  throw new TypeError(
    `The source gave ${show(value)}, which is no delivery: { id: string, body, ack(), nack(error?) }.`,
  );
}
