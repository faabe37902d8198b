import type { CanActivate, ExceptionFilter, NestInterceptor, PipeTransform } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';
import { isFactory, type ContextId, type NestWrapper } from './nest-types.js';
import { consumersOf, EnhancedRun, type ReadyEnhancers } from './enhanced-run.js';
import { EnhancerInstances, type EnhancedCall } from './enhancer-instances.js';
import { declaredOn, type DeclaredEnhancers, type EnhancerKind } from './enhancer-metadata.js';
import { GlobalEnhancers } from './global-enhancers.js';

type Method = (...args: unknown[]) => unknown;

/** Calls handlers inside the guards, interceptors, pipes and filters that stand on them, as Nest does with its own handlers. */
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
   * True when a call of the handler must go through `call`: always for what a factory makes, whose class is known when it
   * is built.
   */
  has(wrapper: NestWrapper, method: string, withGlobal: boolean): boolean {
    if (withGlobal && !this.#global.isEmpty) return true;
    const owner = ownerOf(wrapper);
    return owner === undefined || !this.declaredOn(owner, method).isEmpty;
  }

  /**
   * Calls a handler inside its enhancers, in Nest's order: guards, interceptors, pipes, handler, interceptors, filters.
   *
   * @param contextId where scoped enhancers are found, or built.
   * @param signal no handler is called once it is aborted; its reason goes past the filters.
   * @returns what the handler, an interceptor or a filter gave; an Observable is not subscribed to.
   */
  async call(
    instance: object,
    method: string,
    wrapper: NestWrapper,
    args: readonly unknown[],
    contextId: ContextId,
    withGlobal: boolean,
    signal?: AbortSignal,
    hold?: (work: Promise<unknown>) => void,
  ): Promise<unknown> {
    const declared = this.declaredOn(ownerOf(wrapper) ?? classOf(instance, wrapper), method);
    const called = (instance as Record<string, Method>)[method]!;
    const invoke = (given: readonly unknown[]): unknown => called.apply(instance, [...given]);
    if (declared.isEmpty && !(withGlobal && !this.#global.isEmpty)) return invoke(args);

    const { owner, handler = called } = declared;
    const consumers = consumersOf(this.creator);
    if (consumers === undefined) throw new Error(cannotCall(`${owner.name}.${method}`));
    const call = { worker: wrapper, contextId };
    const enhancers = await this.ready(declared, call, withGlobal);
    const run = new EnhancedRun(consumers, enhancers, {
      owner,
      handler,
      args,
      signal,
      invoke,
      hold,
    });
    return run.result();
  }

  private declaredOn(owner: Function, method: string): DeclaredEnhancers {
    let methods = this.#declared.get(owner);
    if (methods === undefined) this.#declared.set(owner, (methods = new Map()));
    let declared = methods.get(method);
    if (declared === undefined) methods.set(method, (declared = declaredOn(owner, method)));
    return declared;
  }

  /** The instances for one call, of each kind in the order global, class, method. */
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

/** The class of what a factory made; the class that the factory stands for when it made a plain object. */
function classOf(instance: object, { token }: NestWrapper): Function {
  const own: unknown = (Object.getPrototypeOf(instance) as object | null)?.constructor;
  const isStandIn = typeof token === 'function' && !(instance instanceof token);
  return typeof own === 'function' && !isStandIn ? own : (token as Function);
}

/** Nest leaves out a global factory that gave nothing. */
function isObject(value: unknown): value is object {
  return value !== null && value !== undefined;
}

function cannotCall(handler: string): string {
  return `${handler} is not called, because it has guards, interceptors, pipes or filters and the ExternalContextCreator of this version of @nestjs/core cannot run them. Install a version of Nest that nestjs-scoped-worker supports.`;
}
