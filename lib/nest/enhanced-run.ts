import {
  ForbiddenException,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { defer, isObservable, lastValueFrom, ReplaySubject, Subject, type Observable } from 'rxjs';
import { finalize, takeUntil } from 'rxjs/operators'; // `rxjs` itself exports them only from 7.2 on
import { setImmediate } from 'node:timers/promises';
import { isAbortError, isEach, isErrorOf } from '../errors/error-parts.js';
import { ScopeClosedError } from '../errors/errors.js';
import { onAbort } from '../util/on-abort.js';
import { settle } from '../util/values.js';
import type { DeclaredParam } from './enhancer-metadata.js';

/** The value of `ExecutionContext.getType()`. */
const CONTEXT_TYPE = 'scoped-worker';

/** Nest's `FORBIDDEN_MESSAGE`. */
const FORBIDDEN = 'Forbidden resource';

/**
 * The parts of `ExternalContextCreator` that run enhancers in Nest itself; declared private, the same from 11.0.0 to 12.5.1. Its
 * `create()` isn't suitable: it finds the module by the class, always adds global enhancers, logs every error and completes
 * Observables. It passes a handler either all arguments or only the decorated ones. These parts read only the constructor of
 * `host`.
 */
export interface Consumers {
  readonly guardsConsumer: {
    tryActivate(
      guards: readonly CanActivate[],
      args: readonly unknown[],
      host: object,
      handler: Function,
      type: string,
    ): Promise<boolean>;
    createContext(
      args: readonly unknown[],
      host: object,
      handler: Function,
    ): ExecutionContext & { setType(type: string): void };
  };
  readonly interceptorsConsumer: {
    intercept(
      interceptors: readonly NestInterceptor[],
      args: readonly unknown[],
      host: object,
      handler: Function,
      next: () => Promise<unknown>,
      type: string,
    ): Promise<unknown>;
  };
  readonly pipesConsumer: {
    apply(value: unknown, metadata: object, pipes: readonly PipeTransform[]): Promise<unknown>;
  };
  readonly filtersContextCreator: {
    reflectCatchExceptions(filter: object): readonly (new () => unknown)[];
  };
}

/** Returns the parts of an `ExternalContextCreator`; undefined if they differ in this version of Nest. */
export function consumersOf(creator: unknown): Consumers | undefined {
  const consumers = creator as Partial<Consumers> | null | undefined;
  const isWhole =
    typeof consumers?.guardsConsumer?.tryActivate === 'function' &&
    typeof consumers.guardsConsumer.createContext === 'function' &&
    typeof consumers.interceptorsConsumer?.intercept === 'function' &&
    typeof consumers.pipesConsumer?.apply === 'function' &&
    typeof consumers.filtersContextCreator?.reflectCatchExceptions === 'function';
  return isWhole ? (consumers as Consumers) : undefined;
}

/** The enhancers of one call to a handler. */
export interface ReadyEnhancers {
  readonly guards: readonly CanActivate[];
  readonly interceptors: readonly NestInterceptor[];
  /** The decorated parameters, each with its pipes in order. */
  readonly params: readonly (DeclaredParam & { readonly ready: readonly PipeTransform[] })[];
  /** The first filter that catches an error handles that error. */
  readonly filters: readonly ExceptionFilter[];
}

export interface PreparedCall {
  readonly owner: Function;
  readonly handler: Function;
  readonly args: readonly unknown[];
  readonly signal: AbortSignal;
  readonly invoke: (args: readonly unknown[]) => unknown;
  /**
   * Receives the work of enhancers and of the handler: such work may outlast the call. Throws once the scope is being disposed.
   */
  readonly hold: (work: Promise<unknown>) => void;
}

/**
 * Runs one call to a handler inside its enhancers.
 *
 * After an abort, a handler that returned a promise still decides the outcome, as it would without enhancers: its result
 * passes through the interceptors. An abort ends everything else that the interceptors wait for.
 */
export class EnhancedRun {
  readonly #host: object;
  /** The calls to the handler that haven't settled. */
  readonly #calls = new Set<Promise<unknown>>();
  /** The number of open subscriptions to Observables from the handler. */
  #subscriptions = 0;
  /** Emits an error when an abort ends the wait for the interceptors. */
  readonly #cut = new Subject<never>();
  /** Emits after `#cut` has emitted the error, to end the Observables to which interceptors have themselves subscribed. */
  readonly #ended = new ReplaySubject<void>(1);

  constructor(
    private readonly consumers: Consumers,
    private readonly enhancers: ReadyEnhancers,
    private readonly prepared: PreparedCall,
  ) {
    this.#host = prepared.owner.prototype as object; // so `getClass()` returns the worker, even for an object from a factory
  }

  /** Returns the result of the handler, an interceptor or a filter; for an Observable, the last value. */
  async result(): Promise<unknown> {
    try {
      return await this.enhanced();
    } catch (error) {
      return settle(await this.filter(error), this.prepared);
    }
  }

  private async enhanced(): Promise<unknown> {
    const { guardsConsumer, interceptorsConsumer } = this.consumers;
    const { guards } = this.enhancers;
    const { args, handler, signal } = this.prepared;
    const host = this.#host;
    if (!(await guardsConsumer.tryActivate(guards, args, host, handler, CONTEXT_TYPE)))
      throw new ForbiddenException(FORBIDDEN);
    const interceptors = this.enhancers.interceptors.map((interceptor): NestInterceptor => ({
      intercept: (context, next) => {
        const handle = () => next.handle().pipe(takeUntil(this.#ended));
        return this.held(async () => interceptor.intercept(context, { handle }));
      },
    }));
    const next = (): Promise<unknown> => this.handle();
    const result = await interceptorsConsumer.intercept(
      interceptors,
      args,
      host,
      handler,
      next,
      CONTEXT_TYPE,
    );
    if (interceptors.length === 0) return settle(result, this.prepared);
    signal.throwIfAborted();
    onAbort(signal, () => void this.endAfterCalls());
    const stream = (result as Observable<unknown>).pipe(takeUntil(this.#cut));
    return lastValueFrom(stream, { defaultValue: undefined });
  }

  /** Calls the handler. If the handler stops because of an abort, no interceptor can hide that. */
  private handle(): Promise<unknown> {
    const { signal } = this.prepared;
    const call = this.held(() => this.call());
    this.#calls.add(call);
    const settled = (): boolean => this.#calls.delete(call);
    call.then(settled, (error: unknown) => {
      settled();
      if (signal.aborted && isInterruption(error, signal)) this.end(error);
    });
    return call;
  }

  private async call(): Promise<unknown> {
    const { args, signal, invoke } = this.prepared;
    const given = this.enhancers.params.length === 0 ? args : await this.decoratedArgs();
    signal.throwIfAborted();
    const result: unknown = await invoke(given);
    if (!isObservable(result) || this.enhancers.interceptors.length === 0) return result;
    return defer(() => this.subscribed(result));
  }

  /**
   * Keeps the scope open while the handler's Observable runs: an interceptor may subscribe to it without waiting for it to end.
   */
  private subscribed(source: Observable<unknown>): Observable<unknown> {
    const { signal } = this.prepared;
    if (signal.aborted) this.end(signal.reason);
    signal.throwIfAborted();
    const release = this.hold();
    this.#subscriptions += 1;
    const ended = (): void => {
      this.#subscriptions -= 1;
      release();
    };
    return source.pipe(finalize(ended));
  }

  /**
   * Stops waiting for the interceptors: immediately while an Observable from the handler is running, and otherwise once the
   * results of all calls have passed through them.
   */
  private async endAfterCalls(): Promise<void> {
    if (this.#subscriptions === 0) {
      do {
        await Promise.allSettled(this.#calls);
        await setImmediate();
      } while (this.#calls.size > 0);
    }
    this.end(this.prepared.signal.reason);
  }

  private end(error: unknown): void {
    try {
      this.#cut.error(error);
    } catch (teardownError) {
      this.prepared.hold(Promise.reject(teardownError as Error)); // so that it is reported
    } finally {
      this.#ended.next();
    }
  }

  /**
   * Runs `work`, and keeps the scope open until it settles. With interceptors, Nest runs the handler inside an Observable. An
   * abort or an interceptor may end the wait for the work, and an interceptor may call the handler late.
   */
  private held<T>(work: () => Promise<T>): Promise<T> {
    const release = this.hold();
    const result = work();
    result.then(release, release); // not `finally`: the caller subscribes to an Observable before the scope continues
    return result;
  }

  /**
   * Keeps the scope open.
   *
   * @returns a function that lets the scope end.
   */
  private hold(): () => void {
    let release!: () => void;
    this.prepared.hold(new Promise<void>((resolve) => (release = resolve)));
    return release;
  }

  /** Returns the arguments, with the values of the decorated parameters. */
  private async decoratedArgs(): Promise<unknown[]> {
    const given = [...this.prepared.args];
    const settled = await Promise.allSettled(
      this.enhancers.params.map(async ({ index, factory, data, schema, metatype, ready }) => {
        const value: unknown = typeof factory === 'function' ? factory(data, this.context()) : null;
        const metadata = { type: 'custom', data, schema, metatype };
        given[index] = await (ready.length === 0
          ? value
          : this.consumers.pipesConsumer.apply(value, metadata, ready));
      }),
    );
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return given;
  }

  /**
   * Calls the filter that catches an error. Throws the error again if no filter catches it, or if the filter returns undefined.
   */
  private async filter(error: unknown): Promise<unknown> {
    const { signal } = this.prepared;
    if (signal.aborted && isInterruption(error, signal)) throw error;
    const { filtersContextCreator } = this.consumers;
    const filter = this.enhancers.filters.find((candidate) => {
      const types = filtersContextCreator.reflectCatchExceptions(candidate);
      return types.length === 0 || types.some((type) => error instanceof type);
    });
    // oxlint-disable-next-line promise/valid-params -- a filter, not a promise
    const value: unknown = await filter?.catch(error, this.context());
    if (value === undefined) throw error;
    return value;
  }

  private context(): ExecutionContext {
    const { args, handler } = this.prepared;
    const context = this.consumers.guardsConsumer.createContext(args, this.#host, handler);
    context.setType(CONTEXT_TYPE);
    return context;
  }
}

/** Returns true for an error that filters must not catch: the error of an abort, or of a scope that closed after the abort. */
function isInterruption(error: unknown, signal: AbortSignal): boolean {
  return isEach(error, (part) => isAbortError(part, signal) || isErrorOf(part, ScopeClosedError));
}
