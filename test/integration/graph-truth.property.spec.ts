import { afterEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Scope, type Provider } from '@nestjs/common';
import fc from 'fast-check';
import {
  livesInScope,
  type GraphProvider,
  type LifetimeGraph,
} from '../../lib/graph/lifetime-graph.js';
import { inspectScopes } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { graphNow, named } from '../support/application-graph.js';
import { worker } from '../support/probes.js';

/** One provider of a random application. It depends only on earlier providers, so the graph has no cycle. */
interface NodePlan {
  readonly kind: 'class' | 'factory' | 'alias';
  readonly scope: Scope;
  /** Positions of what it depends on, to be taken modulo its own position. */
  readonly dependencies: readonly number[];
  readonly byProperty: boolean;
  readonly isDisposable: boolean;
}

interface Plan {
  readonly nodes: readonly NodePlan[];
  readonly injected: readonly number[];
}

function plans(limits: { readonly [Key in keyof NodePlan]?: NodePlan[Key][] }): fc.Arbitrary<Plan> {
  const among = <T>(usual: T[], limit: T[] | undefined) => fc.constantFrom(...(limit ?? usual));
  const node: fc.Arbitrary<NodePlan> = fc.record({
    kind: among<NodePlan['kind']>(['class', 'factory', 'class', 'factory', 'alias'], limits.kind),
    scope: among([Scope.REQUEST, Scope.DEFAULT, Scope.REQUEST, Scope.TRANSIENT], limits.scope),
    dependencies: fc.array(fc.nat(20), { maxLength: 3, size: 'max' }),
    byProperty: among([false, true], limits.byProperty),
    isDisposable: among([true, true, false], limits.isDisposable),
  });
  return fc.record({
    nodes: fc.array(node, { minLength: 1, maxLength: 8, size: 'max' }),
    injected: fc.array(fc.nat(20), { minLength: 1, maxLength: 4, size: 'max' }),
  });
}

/** An object that a provider has made, by the name of that provider. */
interface Made {
  readonly node: string;
}

/** What has happened in a random application, and to which objects. */
class Happenings {
  made: Made[] = [];
  disposed: Made[] = [];

  /** What happened since the last look. */
  take(): { built: Made[]; disposed: Made[] } {
    return { built: this.made.splice(0), disposed: this.disposed.splice(0) };
  }
}

const tokenOf = (node: number): string => `N${node}`;

function providersOf(nodes: readonly NodePlan[], record: Happenings): Provider[] {
  return nodes.map((plan, node) => {
    const provide = tokenOf(node);
    const tokens = [...new Set(node === 0 ? [] : plan.dependencies.map((at) => at % node))].map(
      tokenOf,
    );
    if (plan.kind === 'alias' && tokens.length > 0) return { provide, useExisting: tokens[0]! };
    if (plan.kind === 'factory') {
      const useFactory = (): object => {
        const made = { node: provide };
        record.made.push(made);
        if (!plan.isDisposable) return made;
        return Object.assign(made, { [Symbol.dispose]: () => record.disposed.push(made) });
      };
      return { provide, scope: plan.scope, inject: tokens, useFactory };
    }
    return { provide, useClass: classOf(plan, provide, tokens, record) };
  });
}

function classOf(plan: NodePlan, node: string, tokens: readonly string[], record: Happenings) {
  class Plain implements Made {
    readonly node = node;

    constructor() {
      record.made.push(this);
    }
  }
  class Disposable extends Plain {
    [Symbol.dispose](): void {
      record.disposed.push(this);
    }
  }
  const Node = plan.isDisposable ? Disposable : Plain;
  Object.defineProperty(Node, 'name', { value: node });
  Injectable({ scope: plan.scope })(Node);
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

async function startPlan(plan: Plan) {
  const record = new Happenings();
  const injected = [...new Set(plan.injected.map((at) => tokenOf(at % plan.nodes.length)))];
  const { app, registry } = await startApp({
    options: { scopeValidation: 'off' },
    providers: [worker(injected), ...providersOf(plan.nodes, record)],
  });
  const atStart = record.take().built;
  const graph = graphNow(app);
  const tick = async () => {
    const { error } = await registry.run('Worker.run');
    if (error !== undefined) throw error as Error;
    return record.take();
  };
  return { app, graph, atStart, tick, root: named(graph, 'Worker') };
}

/**
 * What a tick builds by the graph, by name: what lives in the scope once, and a transient once for each provider that injects
 * it, by itself or through other transients, and is not one.
 */
function builtByGraph(graph: LifetimeGraph, root: GraphProvider): string[] {
  const built = new Map<string, string>();
  const visit = (provider: GraphProvider, owner: GraphProvider): void => {
    if (!livesInScope(provider)) return;
    const isTransient = provider.lifetime === 'transient';
    const key = isTransient ? `${provider.id} of ${owner.id}` : `${provider.id}`;
    if (built.has(key)) return;
    built.set(key, provider.name);
    for (const next of graph.dependenciesOf(provider)) visit(next, isTransient ? owner : provider);
  };
  visit(root, root);
  return [...built.values()].filter((name) => named(graph, name).kind !== 'alias').toSorted();
}

/** The number of levels of instances built for the tick below a provider. */
function heightOf(provider: GraphProvider, graph: LifetimeGraph): number {
  const below = graph.dependenciesOf(provider).filter(livesInScope);
  return 1 + Math.max(0, ...below.map((next) => heightOf(next, graph)));
}

const namesOf = (made: readonly Made[]): string[] => made.map(({ node }) => node);

/** `disposal` of the inspector, as the names of what is disposed. */
function disposalOf(disposal: readonly string[], plan: Plan): string[] {
  return disposal
    .map((line) =>
      line.replace(/^the result of the factory of (.*)$/, '$1').replace('.[Symbol.dispose]', ''),
    )
    .filter((name) => plan.nodes[Number(name.slice(1))]?.isDisposable);
}

const RUNS = { numRuns: Number(process.env['GRAPH_RUNS'] ?? 60), timeout: 10_000 };
const VERY_LONG = 120_000;
/** Nest 11.0 shares a transient of a transient among all that inject the outer one; 11.2 one injected by property. */
const isNest12 = (process.env['NEST'] ?? '') === '';
const withoutNestedTransients: Parameters<typeof plans>[0] = isNest12
  ? {}
  : { scope: [Scope.REQUEST, Scope.DEFAULT, Scope.REQUEST] };
/** Of these all take equally long to be built. */
const classesByConstructor: Parameters<typeof plans>[0] = {
  kind: ['class'],
  scope: [Scope.REQUEST, Scope.DEFAULT, Scope.REQUEST],
  byProperty: [false],
  isDisposable: [true],
};

describe('Any graph of providers', () => {
  afterEach(closeApps);

  const forAny = (arbitrary: fc.Arbitrary<Plan>, holds: (plan: Plan) => Promise<void>) =>
    fc.assert(
      fc.asyncProperty(arbitrary, async (plan) => {
        await holds(plan);
        await closeApps();
      }),
      RUNS,
    );

  it(
    'is built by each tick as its lifetime graph says: the same classes, each as often',
    () =>
      forAny(plans(withoutNestedTransients), async (plan) => {
        const { graph, root, tick } = await startPlan(plan);
        const expected = builtByGraph(graph, root).filter((name) => name !== 'Worker');
        for (let round = 0; round < 3; round += 1) {
          expect(namesOf((await tick()).built).toSorted()).toEqual(expected);
        }
      }),
    VERY_LONG,
  );

  it(
    'builds for a tick what the tree of the worker shows, and nothing else',
    () =>
      forAny(plans({}), async (plan) => {
        const { graph, root, tick } = await startPlan(plan);
        const tree = graph
          .scopedTree(root)
          .filter(({ kind }) => kind !== 'alias')
          .map(({ name }) => name);
        const built = new Set(['Worker', ...namesOf((await tick()).built)]);
        expect([...built].toSorted()).toEqual(tree.toSorted());
      }),
    VERY_LONG,
  );

  it(
    'reads as the same graph before the first tick and after many',
    () =>
      forAny(plans({}), async (plan) => {
        const { app, graph, tick } = await startPlan(plan);
        const before = JSON.stringify(graph.providers.map(({ token: _token, ...rest }) => rest));
        for (let round = 0; round < 3; round += 1) await tick();
        const after = graphNow(app).providers.map(({ token: _token, ...rest }) => rest);
        expect(JSON.stringify(after)).toBe(before);
      }),
    VERY_LONG,
  );

  it(
    'lives as long as its lifetime says: a singleton is built at start-up only, all else by each tick that needs it',
    () =>
      forAny(plans({}), async (plan) => {
        const { graph, root, atStart, tick } = await startPlan(plan);
        const ticks = [await tick(), await tick()];
        const inTree = new Set(graph.scopedTree(root).map(({ name }) => name));
        const starting = namesOf(atStart);
        const nodes = plan.nodes.flatMap((node, at) => {
          const provider = named(graph, tokenOf(at));
          return node.kind === 'alias' || provider.kind === 'alias' ? [] : [provider];
        });
        const said = nodes.map(({ name, lifetime }) => {
          const perTick = lifetime !== 'singleton' && inTree.has(name);
          return { name, lifetime, atStart: lifetime === 'singleton' ? 1 : 0, perTick };
        });
        const real = nodes.map(({ name, lifetime }) => {
          const builtBy = ticks.map(({ built }) => namesOf(built).includes(name));
          const times = starting.filter((other) => other === name).length;
          // How many of a transient start-up needs is for its singletons to say.
          const counted = lifetime === 'transient' ? 0 : times;
          return { name, lifetime, atStart: counted, perTick: builtBy[0] && builtBy[1] };
        });
        expect(real).toEqual(said);
        const [first, second] = ticks;
        expect(first!.built.filter((made) => second!.built.includes(made))).toEqual([]);
      }),
    VERY_LONG,
  );

  it(
    'is disposed when a tick finishes as the inspector says: the same instances, each as often',
    () =>
      forAny(plans(withoutNestedTransients), async (plan) => {
        const { app, tick } = await startPlan(plan);
        const said = disposalOf(inspectScopes(app).workers[0]!.disposal, plan);
        expect(said.toSorted()).toEqual(namesOf((await tick()).disposed).toSorted());
      }),
    VERY_LONG,
  );

  it(
    'is disposed in the order that the inspector says, where classes are injected by constructors: the higher above its dependencies, the earlier',
    () =>
      forAny(plans(classesByConstructor), async (plan) => {
        const { app, graph, tick } = await startPlan(plan);
        // Nest 11.2 takes other turns when it resolves something for the first time.
        await tick();
        const said = disposalOf(inspectScopes(app).workers[0]!.disposal, plan);
        const did = namesOf((await tick()).disposed);
        // Which of two at the same height is first depends on single microtasks of Nest.
        const byHeight = (names: readonly string[]): string[][] =>
          names
            .map((name) => heightOf(named(graph, name), graph))
            .filter((height, index, all) => height !== all[index - 1])
            .map((height) =>
              names.filter((name) => heightOf(named(graph, name), graph) === height).toSorted(),
            );
        expect(byHeight(said)).toEqual(byHeight(did));
      }),
    VERY_LONG,
  );

  it(
    'names in its disposal a dependent before what it depends on',
    () =>
      forAny(plans({}), async (plan) => {
        const { app, graph } = await startPlan(plan);
        const said = disposalOf(inspectScopes(app).workers[0]!.disposal, plan);
        for (const [at, name] of said.entries()) {
          const provider = named(graph, name);
          if (provider.lifetime === 'transient') continue;
          const below = graph
            .scopedTree(provider)
            .filter((other) => other !== provider && other.lifetime !== 'transient');
          const before = said.slice(0, at);
          expect(below.filter((other) => before.includes(other.name))).toEqual([]);
        }
      }),
    VERY_LONG,
  );
});
