import { AsyncLocalStorage } from 'node:async_hooks';
import { Inject, Injectable, Scope, type Provider } from '@nestjs/common';
import fc from 'fast-check';
import { turn } from './gate.js';

/** One provider of a random application. It depends only on earlier providers, so the graph has no cycle. */
export interface NodePlan {
  readonly kind: 'class' | 'factory' | 'alias' | 'value' | 'hand on';
  readonly scope: Scope;
  /** Positions of what it depends on, to be taken modulo its own position. */
  readonly dependencies: readonly number[];
  readonly byProperty: boolean;
  readonly disposer: 'asyncDispose' | 'dispose' | 'onModuleDestroy' | 'none';
  /** Turns of the event loop that building (of a factory) and disposal take. */
  readonly buildTurns: number;
  readonly disposeTurns: number;
  readonly fault: 'none' | 'build' | 'init' | 'dispose' | 'commit';
}

const often = <T>(usual: T, ...rare: T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 40, arbitrary: fc.constant(usual) },
    ...rare.map((value) => fc.constant(value)),
  );

export const nodePlan: fc.Arbitrary<NodePlan> = fc.record({
  kind: fc.constantFrom('class', 'factory', 'class', 'factory', 'alias', 'value', 'hand on'),
  scope: fc.constantFrom(Scope.REQUEST, Scope.DEFAULT, Scope.REQUEST, Scope.TRANSIENT),
  dependencies: fc.array(fc.nat(20), { maxLength: 3, size: 'max' }),
  byProperty: fc.boolean(),
  disposer: fc.constantFrom('asyncDispose', 'dispose', 'onModuleDestroy', 'none'),
  buildTurns: fc.nat(2),
  disposeTurns: fc.nat(2),
  fault: often<NodePlan['fault']>('none', 'build', 'init', 'dispose', 'commit'),
});

/** An object that a provider of the application has made. */
export interface Made {
  readonly node: number;
  readonly plan: NodePlan;
  readonly dependencies: readonly Made[];
  /** Made at start-up: a singleton, a ready-made value, or a transient of one of these. */
  readonly isStatic: boolean;
  /** The tick during which it was made. */
  readonly tick: number | undefined;
  disposals: number;
  disposedAt: number | undefined;
  disposeEndedAt: number | undefined;
}

/** The tick that the running code belongs to. One for all applications: Node 20 never forgets an AsyncLocalStorage. */
export const runningTick = new AsyncLocalStorage<number>();

/** All that happens to the objects of one random application. */
export class GraphLog {
  readonly made: Made[] = [];
  readonly complaints: string[] = [];
  isStarted = false;
  /** Ticks whose handler has been entered and has not settled. */
  readonly inHandler = new Set<number>();
  time = 0;

  /** Called at every step, so that something can be made to happen at any moment. */
  onStep: (time: number) => void = () => undefined;

  /** What scopes own and have to dispose. */
  get owned(): Made[] {
    return this.made.filter(({ isStatic, plan }) => !isStatic && plan.disposer !== 'none');
  }

  step(): number {
    this.time += 1;
    this.onStep(this.time);
    return this.time;
  }
}

export const tokenOf = (node: number): string => `NODE_${node}`;

const RESOLVED = Symbol('what an object was made as');

/** What an injected object was made as. */
export function madeOf(object: object): Made {
  return (object as { [RESOLVED]: Made })[RESOLVED];
}

/** The providers of a random application, each under the token of its position. */
export function providersOf(plans: readonly NodePlan[], log: GraphLog): Provider[] {
  return plans.map((plan, node) => {
    const tokens = [...new Set(node === 0 ? [] : plan.dependencies.map((at) => at % node))].map(
      tokenOf,
    );
    const provide = tokenOf(node);
    if (plan.kind === 'alias' && tokens.length > 0) return { provide, useExisting: tokens[0]! };
    if (plan.kind === 'hand on' && tokens.length > 0)
      return { provide, scope: plan.scope, inject: tokens, useFactory: (first: object) => first };
    if (plan.kind === 'value') return { provide, useValue: equip({}, plan, node, [], log) };
    if (plan.kind === 'class') {
      return { provide, scope: plan.scope, useClass: classOf(plan, node, tokens, log) };
    }
    const useFactory = (...injected: object[]): object | Promise<object> => {
      if (plan.buildTurns === 0) return make({}, plan, node, injected, log);
      return turns(plan.buildTurns).then(() => make({}, plan, node, injected, log));
    };
    return { provide, scope: plan.scope, inject: tokens, useFactory };
  });
}

function classOf(plan: NodePlan, node: number, tokens: string[], log: GraphLog) {
  @Injectable({ scope: plan.scope })
  class Node {
    readonly property: object | undefined;

    constructor(...injected: object[]) {
      make(this, plan, node, injected, log);
    }
  }
  const [last] = plan.byProperty ? tokens.slice(-1) : [];
  const parameters = last === undefined ? tokens : tokens.slice(0, -1);
  Reflect.defineMetadata(
    'design:paramtypes',
    parameters.map(() => Object),
    Node,
  );
  parameters.forEach((token, index) => Inject(token)(Node, undefined, index));
  if (last !== undefined) Inject(last)(Node.prototype, 'property');
  return Node;
}

async function turns(count: number): Promise<void> {
  for (let round = 0; round < count; round += 1) await turn();
}

function make(
  object: object,
  plan: NodePlan,
  node: number,
  injected: object[],
  log: GraphLog,
): object {
  log.step();
  if (plan.fault === 'build' && log.isStarted) throw new Error(`cannot build ${node}`);
  return equip(object, plan, node, injected, log);
}

/** Adds hooks to an object, each of which is noted and checked against what must not happen at that moment. */
function equip(
  object: object,
  plan: NodePlan,
  node: number,
  injected: object[],
  log: GraphLog,
): object {
  const made: Made = {
    node,
    plan,
    get dependencies() {
      const { property } = object as { property?: object };
      return [...injected, ...(property === undefined ? [] : [property])].map(madeOf);
    },
    isStatic: !log.isStarted,
    tick: runningTick.getStore(),
    disposals: 0,
    disposedAt: undefined,
    disposeEndedAt: undefined,
  };
  log.made.push(made);
  const dispose = (): unknown => {
    made.disposals += 1;
    made.disposedAt = log.step();
    if (!made.isStatic && log.inHandler.has(made.tick!))
      log.complaints.push(`node ${node} was disposed before the handler had settled`);
    if (made.isStatic && log.owned.some(({ disposeEndedAt }) => disposeEndedAt === undefined))
      log.complaints.push(`node ${node}, made at start-up, was disposed before a tick had ended`);
    return plan.disposeTurns === 0 ? end() : turns(plan.disposeTurns).then(end);
  };
  const end = (): void => {
    made.disposeEndedAt = log.step();
    if (plan.fault === 'dispose' && !made.isStatic) throw new Error(`cannot dispose ${node}`);
  };
  const method = {
    asyncDispose: Symbol.asyncDispose,
    dispose: Symbol.dispose,
    onModuleDestroy: 'onModuleDestroy',
    none: Symbol('none'),
  }[plan.disposer];
  const fail = (hook: string) => async (): Promise<void> => {
    log.step();
    if (log.isStarted && plan.fault === hook) throw new Error(`${hook} of ${node} fails`);
  };
  return Object.assign(object, {
    [RESOLVED]: made,
    [method]: dispose,
    ...(plan.fault === 'init' ? { onScopeInit: fail('init') } : {}),
    ...(plan.fault === 'commit' ? { onScopeCommit: fail('commit') } : {}),
  });
}
