import { randomUUID } from 'node:crypto';
import { countProblem, named, optionsProblems, signalProblem } from '../../util/option-checks.js';
import { refuseInvalid } from '../../errors/errors.js';
import { onAbort } from '../../util/on-abort.js';
import type { Delivery, MessageSource } from './message-source.js';

const FIRST_REDELIVERY_MS = 100;
const LONGEST_REDELIVERY_MS = 30_000;

/** @publicApi */
export interface InMemoryQueueOptions {
  /**
   * The maximum number of waiting messages. When the queue is full, `put()` waits for room. Messages in progress don't count.
   * Messages that go back to the queue do count, but the queue accepts them even when it is full. Minimum 1. @defaultValue 1_000
   */
  readonly capacity?: number;
}

/**
 * Queues messages in the memory of this process, in the order of the `put()` calls. The messages are lost when the process ends. A
 * message that went back to the queue is due again immediately if it was interrupted, or after a wait if it failed. Once due, it is
 * delivered before new messages. The wait is 100 ms at first, doubles each time up to 30 seconds, and doesn't delay other messages.
 *
 * @publicApi
 */
export interface InMemoryQueue<T> extends MessageSource<T> {
  /**
   * Adds a message. If the queue is full, waits for room. Consumers make room only after start-up.
   *
   * @param options.signal cancels the wait; the message isn't added.
   * @returns the id of the message, once it is added.
   * @throws `signal.reason` if the wait was cancelled.
   * @throws {InvalidOptionsError} if an option is invalid; the message isn't added.
   */
  put(body: T, options?: { signal?: AbortSignal }): Promise<string>;
  /** The number of waiting messages, including those that went back to the queue. */
  readonly size: number;
}

/**
 * Creates a bounded queue: `{ provide: ORDERS, useValue: inMemoryQueue<Order>({ capacity: 100 }) }`.
 *
 * @throws {InvalidOptionsError} if `capacity` isn't a whole number of at least 1, or if an option is unknown.
 * @publicApi
 */
export function inMemoryQueue<T>(options: InMemoryQueueOptions = {}): InMemoryQueue<T> {
  refuseInvalid('inMemoryQueue()', optionsProblems(options, ['capacity']));
  const { capacity = 1_000 } = options;
  refuseInvalid('inMemoryQueue()', named({ capacity: countProblem(capacity) }));
  const queue = new BoundedQueue<T>(capacity);
  // An instance decorator of the application may wrap the queue in a proxy, which can't access private fields.
  return {
    get size() {
      return queue.size;
    },
    put: (body, how) => queue.put(body, how),
    read: (signal) => queue.read(signal),
  };
}

interface Message<T> {
  readonly id: string;
  readonly body: T;
  deliveries: number;
}

/** A message that went back to the queue. */
interface Returned<T> {
  readonly message: Message<T>;
  /** A `performance.now()` timestamp. */
  readonly dueAt: number;
}

class BoundedQueue<T> implements InMemoryQueue<T> {
  readonly #waiting: Message<T>[] = [];
  /** The messages that went back to the queue, sorted by due time; not limited by the capacity. */
  readonly #returned: Returned<T>[] = [];
  /** Maps each message that waits for room to the function that admits it. */
  readonly #writers = new Map<Message<T>, () => void>();
  readonly #readers = new Set<() => void>();

  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.#waiting.length + this.#returned.length;
  }

  async put(body: T, options: { signal?: AbortSignal } = {}): Promise<string> {
    refuseInvalid('put()', [
      ...optionsProblems(options, ['signal']),
      ...named({ signal: signalProblem(options?.signal) }),
    ]);
    const { signal } = options;
    signal?.throwIfAborted();
    const message: Message<T> = { id: randomUUID(), body, deliveries: 0 };
    if (this.#hasRoom && this.#writers.size === 0) this.#add(message);
    else await this.#waitForRoom(message, signal);
    return message.id;
  }

  async *read(signal: AbortSignal): AsyncGenerator<Delivery<T>, void, undefined> {
    while (!signal.aborted) {
      const message = this.#take();
      if (message === undefined) {
        await this.#untilReadable(signal);
        continue;
      }
      this.#admitWriters();
      message.deliveries += 1;
      yield this.#deliveryOf(message);
    }
  }

  get #hasRoom(): boolean {
    return this.size < this.capacity;
  }

  #take(): Message<T> | undefined {
    const [returned] = this.#returned;
    if (returned === undefined || returned.dueAt > performance.now()) return this.#waiting.shift();
    this.#returned.shift();
    return returned.message;
  }

  #deliveryOf(message: Message<T>): Delivery<T> {
    const { id, body, deliveries } = message;
    let isSettled = false;
    return {
      id,
      body,
      deliveries,
      ack: () => void (isSettled = true),
      nack: (error) => {
        if (isSettled) return;
        isSettled = true;
        if (error !== undefined) return this.#return(message, waitAfter(deliveries));
        message.deliveries -= 1; // it was only interrupted
        this.#return(message, 0);
      },
    };
  }

  #add(message: Message<T>): void {
    this.#waiting.push(message);
    this.#wakeReaders();
  }

  #return(message: Message<T>, waitMs: number): void {
    const dueAt = performance.now() + waitMs;
    const later = this.#returned.findIndex((other) => other.dueAt > dueAt);
    this.#returned.splice(later < 0 ? this.#returned.length : later, 0, { message, dueAt });
    this.#wakeReaders();
  }

  #waitForRoom(message: Message<T>, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.#writers.delete(message);
        off?.();
        reject(signal!.reason as Error);
      };
      const off = signal && onAbort(signal, giveUp);
      this.#writers.set(message, () => {
        off?.();
        resolve();
      });
    });
  }

  #admitWriters(): void {
    for (const [message, admit] of this.#writers) {
      if (!this.#hasRoom) return;
      this.#writers.delete(message);
      this.#add(message);
      admit();
    }
  }

  #wakeReaders(): void {
    for (const wake of this.#readers) wake();
  }

  /** Waits until there may be a message, or until the signal is aborted. */
  #untilReadable(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        off();
        this.#readers.delete(wake);
        resolve();
      };
      const [next] = this.#returned;
      const waitMs = next && Math.max(next.dueAt - performance.now(), 0);
      const timer = waitMs === undefined ? undefined : setTimeout(wake, Math.ceil(waitMs));
      const off = onAbort(signal, wake);
      this.#readers.add(wake);
    });
  }
}

function waitAfter(deliveries: number): number {
  return Math.min(FIRST_REDELIVERY_MS * 2 ** (deliveries - 1), LONGEST_REDELIVERY_MS);
}
