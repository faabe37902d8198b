import type { CanActivate, ExceptionFilter, NestInterceptor, PipeTransform } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';
import type { ContextId, NestWrapper } from './nest-types.js';
import { isFactory } from './provider-kind.js';
import { consumersOf, EnhancedRun, type ReadyEnhancers } from './enhanced-run.js';
import { EnhancerInstances, type EnhancedCall } from './enhancer-instances.js';
import { declaredOn, type DeclaredEnhancers, type EnhancerKind } from './enhancer-metadata.js';
import { getOrAdd, settle } from '../util/values.js';
import { GlobalEnhancers } from './global-enhancers.js';

/** A call to a handler. */
export interface HandlerCall {
  readonly instance: object;
  readonly method: string;
  /** The instance's member with the method's name. */
  readonly called: Function;
  readonly worker: NestWrapper;
  readonly args: readonly unknown[];
  /** Scoped enhancers are found or built under its context id. */
  readonly scope: { readonly contextId: ContextId };
  readonly withGlobal: boolean;
  /** Once its signal is aborted, no handler is called, and the signal's reason bypasses the filters. */
  readonly tick: { readonly signal: AbortSignal };
  /** Receives work that continues after the call has ended. */
  readonly hold: (work: Promise<unknown>) => void;
}

/** Calls handlers inside their guards, interceptors, pipes and filters, as Nest does with its own handlers. */
export class Enhancers {
  readonly #declared = new WeakMap<Function, Map<string, DeclaredEnhancers>>();
  readonly #instances = new EnhancerInstances();
  readonly #global: GlobalEnhancers;

  constructor(
    private readonly creator: unknown,
    config: ApplicationConfig | undefined,
  ) {
    this.#global = new GlobalEnhancers(config);
  }

  /**
   * Calls a handler inside its enhancers, in Nest's order: guards, interceptors, pipes, handler, interceptors, filters. Looks for
   * the declared enhancers on the first call, because the application may add enhancers in an `onModuleInit`.
   *
   * @returns the result of the handler, an interceptor or a filter, or a promise of it; for an Observable, the last value.
   */
  call(call: HandlerCall): unknown {
    const { instance, method, called, worker, withGlobal } = call;
    const declared = this.declaredOn(ownerOf(worker) ?? classOf(instance, worker), method);
    const invoke = (given: readonly unknown[]): unknown => called.apply(instance, [...given]);
    if (declared.isEmpty && !(withGlobal && !this.#global.isEmpty))
      return settle(invoke(call.args), call.tick);

    const { owner, handler = called } = declared;
    const consumers = consumersOf(this.creator);
    if (consumers === undefined) throw new Error(cannotCall(`${owner.name}.${method}`));
    const { signal } = call.tick;
    const prepared = { ...call, signal, owner, handler, invoke };
    return this.ready(declared, call, withGlobal).then((enhancers) =>
      new EnhancedRun(consumers, enhancers, prepared).result(),
    );
  }

  private declaredOn(owner: Function, method: string): DeclaredEnhancers {
    const methods = getOrAdd(this.#declared, owner, () => new Map());
    return getOrAdd(methods, method, () => declaredOn(owner, method));
  }

  /** Returns the instances for one call, each kind in the order global, class, method; filters in the reverse order. */
  private async ready(
    { enhancers, params }: DeclaredEnhancers,
    call: EnhancedCall,
    withGlobal: boolean,
  ): Promise<ReadyEnhancers> {
    const all = async (kind: EnhancerKind, declared = enhancers[kind]): Promise<object[]> =>
      Promise.all(declared.map((one) => this.#instances.of(kind, one, call)));
    const every = async (kind: EnhancerKind): Promise<object[]> => {
      const global = withGlobal ? this.#global.of(kind) : { declared: [], scoped: [] };
      const scoped = global.scoped.map((wrapper) => this.#instances.ofWrapper(wrapper, call));
      const found = [all(kind, global.declared), Promise.all(scoped), all(kind)];
      return (await Promise.all(found)).flat().filter(isObject);
    };
    const [guards, interceptors, pipes, filters, ofParams] = await Promise.all([
      every('guard'),
      every('interceptor'),
      params.length === 0 ? [] : every('pipe'),
      every('filter'),
      Promise.all(params.map((param) => all('pipe', param.pipes))),
    ]);
    return {
      guards: guards as CanActivate[],
      interceptors: interceptors as NestInterceptor[],
      params: params.map((param, index) => ({
        ...param,
        ready: [...pipes, ...ofParams[index]!] as PipeTransform[],
      })),
      filters: filters.reverse() as ExceptionFilter[],
    };
  }
}

function ownerOf(wrapper: NestWrapper): Function | undefined {
  return isFactory(wrapper) ? undefined : (wrapper.metatype ?? undefined);
}

/** Returns the class of an instance from a factory; for a plain object, the class that is the factory's token. */
function classOf(instance: object, { token }: NestWrapper): Function {
  const own: unknown = (Object.getPrototypeOf(instance) as object | null)?.constructor;
  const isStandIn = typeof token === 'function' && !(instance instanceof token);
  return typeof own === 'function' && !isStandIn ? own : (token as Function);
}

/** Returns false if a global factory returned nothing. Nest leaves out such a result too. */
function isObject(value: unknown): value is object {
  return value !== null && value !== undefined;
}

function cannotCall(handler: string): string {
  return `${handler} was not called: it has guards, interceptors, pipes or filters, which the ExternalContextCreator of this version of @nestjs/core cannot run. Install a version of Nest that nestjs-scoped-worker supports.`;
}
