import 'reflect-metadata';
import { Inject, Injectable, Scope, type InjectionToken, type Type } from '@nestjs/common';
import { ScopedInterval, ScopedWorker, type HandlerOptions, type Tick } from '../../lib/index.js';

/** Notes what happens to providers, in order: `built Repo`, `disposed Repo`, and what a test adds. */
export class Journal {
  readonly lines: string[] = [];

  note(line: string): void {
    this.lines.push(line);
  }

  /** What follows a word: `of('disposed')` returns the names of all that was disposed, in order. */
  of(word: string): string[] {
    return this.lines
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1));
  }
}

/**
 * A journal and a base class for providers that write in it under the name of their class: when they are built, and when
 * they are disposed by `Symbol.asyncDispose`.
 */
export function probes() {
  const journal = new Journal();
  class Probe {
    constructor() {
      journal.note(`built ${this.constructor.name}`);
    }

    async [Symbol.asyncDispose](): Promise<void> {
      journal.note(`disposed ${this.constructor.name}`);
    }
  }
  /** An object for a factory to return, under its own name. */
  const probe = (name: string): AsyncDisposable & { readonly name: string } => {
    journal.note(`built ${name}`);
    return {
      name,
      [Symbol.asyncDispose]: async () => journal.note(`disposed ${name}`),
    };
  };
  return { journal, Probe, probe };
}

export const RequestScoped = (): ClassDecorator => Injectable({ scope: Scope.REQUEST });
export const Transient = (): ClassDecorator => Injectable({ scope: Scope.TRANSIENT });

/** A schedule that is never due: its ticks come from `registry.run()`, as many at once as the test likes. */
export function OnDemand(options: HandlerOptions = {}): MethodDecorator {
  return ScopedInterval(3_600_000, { disabled: true, overlap: 'allow', ...options });
}

/**
 * A worker class with the schedule `Worker.run`, which only `registry.run()` fires. The handler receives the tick and what is
 * injected into the worker's constructor.
 */
export function worker<Injected extends unknown[]>(
  inject: readonly InjectionToken[],
  handler: (tick: Tick, ...injected: Injected) => unknown = () => undefined,
  options?: HandlerOptions,
): Type {
  @ScopedWorker()
  class Worker {
    readonly injected: Injected;

    constructor(...injected: Injected) {
      this.injected = injected;
    }

    @OnDemand(options)
    run(tick: Tick): unknown {
      return handler(tick, ...this.injected);
    }
  }
  Reflect.defineMetadata(
    'design:paramtypes',
    inject.map(() => Object),
    Worker,
  );
  inject.forEach((token, index) => Inject(token)(Worker, undefined, index));
  return Worker;
}

/** Every Probe that an application has built and disposed, in that order. */
@Injectable()
export class ProbeJournal {
  readonly created: Probe[] = [];
  readonly disposed: Probe[] = [];

  /** Probes that were built and are not disposed. */
  get alive(): Probe[] {
    return this.created.filter((probe) => !this.disposed.includes(probe));
  }
}

/** A request-scoped provider that records its construction and its disposal. */
@Injectable({ scope: Scope.REQUEST })
export class Probe {
  readonly id: number;
  isDisposed = false;

  constructor(private readonly journal: ProbeJournal) {
    this.id = journal.created.push(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
    this.isDisposed = true;
    this.journal.disposed.push(this);
  }
}

/** For the providers of a test's application. */
export const PROBES = [ProbeJournal, Probe];

/** A cron expression that is not due while a test runs: its schedule is run by hand. */
export const YEARLY = '@yearly';

/** Settles like the promise, and is not a promise. */
export function thenable<T>(promise: Promise<T>): PromiseLike<T> {
  class Thenable implements PromiseLike<T> {
    // oxlint-disable-next-line unicorn/no-thenable -- what it is for
    readonly then = promise.then.bind(promise) as PromiseLike<T>['then'];
  }
  return new Thenable();
}
