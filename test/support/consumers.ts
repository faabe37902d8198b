import 'reflect-metadata';
import { Inject, type InjectionToken, type Type } from '@nestjs/common';
import {
  ScopedConsumer,
  ScopedWorker,
  type ConsumerOptions,
  type DeadLetter,
  type Delivery,
  type MessageSource,
  type Tick,
  type TickReport,
} from '../../lib/index.js';
import { textOf } from '../../lib/errors/error-parts.js';
import { startApp, type TestApp, type TestAppOptions } from './app.js';
import { begin } from './background.js';

/** The token of the source that a test provides. */
export const SOURCE = Symbol('SOURCE');

// oxlint-disable-next-line typescript/no-explicit-any -- each test knows the payloads that it delivers
export type AnyTick = Tick<any>;

/** A worker class with the consumer `Consumer.handle`, whose handler receives the tick and what is injected. */
export function consumer<Injected extends unknown[]>(
  inject: readonly InjectionToken[],
  handler: (tick: AnyTick, ...injected: Injected) => unknown = () => undefined,
  options?: ConsumerOptions,
): Type {
  @ScopedWorker()
  class Consumer {
    readonly injected: Injected;

    constructor(...injected: Injected) {
      this.injected = injected;
    }

    @ScopedConsumer(SOURCE, options)
    handle(tick: Tick): unknown {
      return handler(tick, ...this.injected);
    }
  }
  Reflect.defineMetadata(
    'design:paramtypes',
    inject.map(() => Object),
    Consumer,
  );
  inject.forEach((token, index) => Inject(token)(Consumer, undefined, index));
  return Consumer;
}

/** Starts an application in which `Consumer.handle` reads `source`; its reports are kept in their order. */
export async function startConsumer<S extends MessageSource>(
  source: S,
  handler: (tick: AnyTick) => unknown,
  consumerOptions?: ConsumerOptions,
  { providers = [], ...metadata }: TestAppOptions = {},
): Promise<TestApp & { readonly source: S; readonly reports: TickReport[] }> {
  const test = await startApp({
    ...metadata,
    providers: [
      consumer([], handler, consumerOptions),
      { provide: SOURCE, useValue: source },
      ...providers,
    ],
  });
  const reports: TickReport[] = [];
  test.events.on('tick:finished', (report) => reports.push(report));
  return { ...test, source, reports };
}

/** The same under the fake clock, once the consumer reads; `ended` is how the shutdown will end. */
export async function readingConsumer<S extends MessageSource>(
  source: S,
  handler: (tick: AnyTick) => unknown = () => undefined,
  consumerOptions?: ConsumerOptions,
  options: TestAppOptions['options'] = {},
) {
  const test = await startConsumer(source, handler, consumerOptions, { options });
  await begin();
  return { ...test, ended: test.next('shutdown:finished') };
}

/** What handlers and sources of tests fail with. */
export const boom = (): Error => new Error('boom');

/** The reports of dead letters, in their order. */
export function lettersOf({ events }: Pick<TestApp, 'events'>): DeadLetter[] {
  const letters: DeadLetter[] = [];
  events.on('message:dead', (letter) => letters.push(letter));
  return letters;
}

/** A consumer whose handler fails with `boom`, by default. */
export async function failingConsumer(
  source: HandSource,
  options: ConsumerOptions,
  handler: (tick: AnyTick) => unknown = () => Promise.reject(new Error('boom')),
) {
  const test = await startConsumer(source, handler, options);
  return { ...test, letters: lettersOf(test) };
}

/** A source whose reads are scripted; the last one stands for all that follow. */
export function scripted(...reads: ((signal: AbortSignal) => unknown)[]) {
  const source = {
    opened: 0,
    read(signal: AbortSignal) {
      const read = reads[Math.min(source.opened, reads.length - 1)]!;
      source.opened += 1;
      return read(signal) as ReturnType<MessageSource['read']>;
    },
  };
  return source;
}

/** A read that waits for its signal. */
export function idle(signal: AbortSignal): AsyncIterable<Delivery> {
  return new HandSource().read(signal);
}

type Arrival = () => Promise<IteratorResult<Delivery>>;

export interface HandSourceOptions {
  /** Does not hear the signal: a pending `next()` stays pending. */
  readonly isDeaf?: boolean;
  /** Called by `return()` of an iteration. */
  readonly onReturn?: () => unknown;
  readonly keepsDeadLetters?: boolean;
}

/** A source whose messages the test delivers by hand; it counts what is asked of it, and notes what becomes of each message. */
export class HandSource implements MessageSource {
  /** `ack 1`, `nack 1` (interrupted), `nack 1: boom`, `dead 1: boom`, in their order. */
  readonly fates: string[] = [];
  /** One for each `read()`. */
  readonly signals: AbortSignal[] = [];
  /** How often the next message was asked for. */
  asked = 0;
  /** Requests that are not answered. */
  pending = 0;
  mostPending = 0;
  returned = 0;
  readonly keepsDeadLetters: boolean;
  readonly #arrived: Arrival[] = [];
  readonly #requests: ((arrival: Arrival) => void)[] = [];
  readonly #watchers = new Set<() => void>();
  #count = 0;

  constructor(private readonly options: HandSourceOptions = {}) {
    this.keepsDeadLetters = options.keepsDeadLetters ?? false;
  }

  get opened(): number {
    return this.signals.length;
  }

  /** Delivers a message; ids count from 1. `delivery` replaces a part of it. */
  give(body?: unknown, delivery: Partial<Delivery> = {}): void {
    const id = delivery.id ?? String((this.#count += 1));
    this.giveRaw({
      id,
      body,
      ack: () => this.note(`ack ${id}`),
      nack: (error?: unknown) =>
        this.note(error === undefined ? `nack ${id}` : `nack ${id}: ${textOf(error)}`),
      ...(this.keepsDeadLetters
        ? { deadLetter: (error: unknown) => this.note(`dead ${id}: ${textOf(error)}`) }
        : {}),
      ...delivery,
    });
  }

  giveRaw(value: unknown): void {
    this.arrive(() => Promise.resolve({ done: false, value: value as Delivery }));
  }

  fail(error: unknown): void {
    this.arrive(() => Promise.reject(error as Error));
  }

  end(): void {
    this.arrive(() => Promise.resolve({ done: true, value: undefined }));
  }

  note(fate: string): void {
    this.fates.push(fate);
    for (const watch of this.#watchers) watch();
  }

  /** Settles when so many fates are known. */
  settled(count: number): Promise<void> {
    return new Promise((resolve) => {
      const watch = (): void => {
        if (this.fates.length < count) return;
        this.#watchers.delete(watch);
        resolve();
      };
      this.#watchers.add(watch);
      watch();
    });
  }

  read(signal: AbortSignal): AsyncIterable<Delivery> {
    this.signals.push(signal);
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => this.next(signal),
        return: async () => {
          this.returned += 1;
          await this.options.onReturn?.();
          return { done: true, value: undefined };
        },
      }),
    };
  }

  private next(signal: AbortSignal): Promise<IteratorResult<Delivery>> {
    this.asked += 1;
    this.pending += 1;
    this.mostPending = Math.max(this.mostPending, this.pending);
    let forget = (): void => undefined;
    const next = new Promise<IteratorResult<Delivery>>((resolve, reject) => {
      const request = (arrival: Arrival): void => void arrival().then(resolve, reject);
      const arrived = this.#arrived.shift();
      if (arrived !== undefined) return request(arrived);
      this.#requests.push(request);
      if (this.options.isDeaf === true) return;
      const end = (): void => {
        const at = this.#requests.indexOf(request);
        if (at >= 0) this.#requests.splice(at, 1);
        resolve({ done: true, value: undefined });
      };
      if (signal.aborted) return end();
      signal.addEventListener('abort', end, { once: true });
      forget = () => signal.removeEventListener('abort', end);
    });
    return next.finally(() => {
      forget();
      this.pending -= 1;
    });
  }

  private arrive(arrival: Arrival): void {
    const request = this.#requests.shift();
    if (request === undefined) this.#arrived.push(arrival);
    else request(arrival);
  }
}

/** Waits until a condition is true: for changes without an event. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
