import { describe, expect, it } from '@jest/globals';
import {
  livesInScope,
  LifetimeGraph,
  type GraphProvider,
  type Lifetime,
} from '../../lib/graph/lifetime-graph.js';

/** Providers by name: how long each lives, and what it injects. */
type Sketch = Record<string, readonly [Lifetime, ...string[]]>;

function declaredBy(lifetime: Lifetime): GraphProvider['declared'] {
  if (lifetime === 'request' || lifetime === 'durable') return 'request';
  return lifetime === 'transient' ? 'transient' : 'singleton';
}

function graphOf(sketch: Sketch) {
  const names = Object.keys(sketch);
  const wrappers = names.map((name) => ({ name }));
  const providers = Object.entries(sketch).map(
    ([name, [lifetime, ...injected]], id): GraphProvider => ({
      id,
      name,
      token: name,
      module: 'App',
      place: 'provider',
      kind: 'class',
      isGateway: false,
      type: undefined,
      lifetime,
      declared: declaredBy(lifetime),
      isDeclaredDurable: lifetime === 'durable',
      disposer: undefined,
      hooks: [],
      scopeHooks: [],
      obstacle: undefined,
      dependencies: injected.map((other, index) => ({
        at: `constructor[${index}]`,
        to: names.indexOf(other),
      })),
    }),
  );
  const places = new WeakMap<object, number>(wrappers.map((wrapper, id) => [wrapper, id]));
  const graph = new LifetimeGraph(providers, places);
  const named = (name: string): GraphProvider => graph.at(names.indexOf(name));
  return { graph, named, wrappers };
}

const namesOf = (links: readonly GraphProvider[] | undefined): string[] | undefined =>
  links?.map(({ name }) => name);

const is =
  (wanted: string) =>
  ({ name }: GraphProvider): boolean =>
    name === wanted;

describe('lifetime graph', () => {
  describe('of', () => {
    it("returns the provider of one of Nest's records, and nothing for a record of somewhere else", () => {
      const { graph, wrappers } = graphOf({ A: ['singleton'], B: ['request'] });
      expect(wrappers.map((wrapper) => graph.of(wrapper)?.name)).toEqual(['A', 'B']);
      expect(graph.of({})).toBeUndefined();
    });
  });

  describe('dependencies and dependents', () => {
    const { graph, named } = graphOf({
      A: ['singleton', 'B', 'C', 'B'],
      B: ['singleton'],
      C: ['singleton', 'B'],
      Alone: ['singleton'],
    });

    it('returns what is injected, in the order of injection, as often as it is injected', () => {
      expect(namesOf(graph.dependenciesOf(named('A')))).toEqual(['B', 'C', 'B']);
    });

    it('names a dependent once, however often it injects', () => {
      expect(namesOf(graph.dependentsOf(named('B')))).toEqual(['A', 'C']);
    });

    it('has no dependents of what nobody injects', () => {
      expect(graph.dependentsOf(named('A'))).toEqual([]);
      expect(graph.dependentsOf(named('Alone'))).toEqual([]);
    });

    it('counts a provider that injects itself as its own dependent', () => {
      const own = graphOf({ Self: ['request', 'Self'] });
      expect(namesOf(own.graph.dependentsOf(own.named('Self')))).toEqual(['Self']);
    });
  });

  describe('chainTo', () => {
    it('is the provider alone when that fits by itself', () => {
      const { graph, named } = graphOf({ A: ['request', 'B'], B: ['request'] });
      expect(namesOf(graph.chainTo(named('A'), () => true))).toEqual(['A']);
    });

    it('leads to the nearest that fits, not to the first that is injected', () => {
      const { graph, named } = graphOf({
        A: ['bubbled', 'Long', 'Near'],
        Long: ['bubbled', 'Longer'],
        Longer: ['bubbled', 'Far'],
        Far: ['request'],
        Near: ['request'],
      });
      expect(namesOf(graph.chainTo(named('A'), ({ lifetime }) => lifetime === 'request'))).toEqual([
        'A',
        'Near',
      ]);
    });

    it('is the shortest of several chains to one provider', () => {
      const { graph, named } = graphOf({
        A: ['bubbled', 'B', 'C'],
        B: ['bubbled', 'D'],
        D: ['bubbled', 'End'],
        C: ['bubbled', 'End'],
        End: ['request'],
      });
      expect(namesOf(graph.chainTo(named('A'), is('End')))).toEqual(['A', 'C', 'End']);
    });

    it('takes what is injected first when two are equally near', () => {
      const { graph, named } = graphOf({
        A: ['bubbled', 'Left', 'Right'],
        Right: ['request'],
        Left: ['request'],
      });
      expect(namesOf(graph.chainTo(named('A'), ({ lifetime }) => lifetime === 'request'))).toEqual([
        'A',
        'Left',
      ]);
    });

    it('goes around what it may not pass', () => {
      const { graph, named } = graphOf({
        A: ['bubbled', 'Wall', 'B'],
        Wall: ['singleton', 'End'],
        B: ['bubbled', 'C'],
        C: ['bubbled', 'End'],
        End: ['request'],
      });
      const links = graph.chainTo(named('A'), is('End'), ({ name }) => name !== 'Wall');
      expect(namesOf(links)).toEqual(['A', 'B', 'C', 'End']);
    });

    it('may end at what it may not pass', () => {
      const { graph, named } = graphOf({ A: ['bubbled', 'End'], End: ['request'] });
      expect(namesOf(graph.chainTo(named('A'), is('End'), () => false))).toEqual(['A', 'End']);
    });

    it('does not exist when nothing fits', () => {
      const { graph, named } = graphOf({ A: ['singleton', 'B'], B: ['singleton'] });
      expect(graph.chainTo(named('A'), () => false)).toBeUndefined();
    });

    it('comes to an end in a circle', () => {
      const { graph, named } = graphOf({
        A: ['request', 'B', 'A'],
        B: ['request', 'C'],
        C: ['request', 'A', 'B'],
      });
      expect(graph.chainTo(named('A'), () => false)).toBeUndefined();
      expect(namesOf(graph.chainTo(named('B'), is('A')))).toEqual(['B', 'C', 'A']);
    });
  });

  describe('chainToRequestScope', () => {
    it('does not exist for a singleton', () => {
      const { graph, named } = graphOf({ A: ['singleton', 'B'], B: ['transient'] });
      expect(graph.chainToRequestScope(named('A'))).toBeUndefined();
    });

    it('does not exist for a transient that needs nothing request-scoped', () => {
      const { graph, named } = graphOf({
        T: ['transient', 'S'],
        S: ['singleton'],
      });
      expect(graph.chainToRequestScope(named('T'))).toBeUndefined();
    });

    it('is the provider alone when it says itself that it is request-scoped', () => {
      const { graph, named } = graphOf({ A: ['request', 'B'], B: ['request'] });
      expect(namesOf(graph.chainToRequestScope(named('A')))).toEqual(['A']);
    });

    it('leads through what is request-scoped by bubbling, and through transients', () => {
      const { graph, named } = graphOf({
        A: ['bubbled', 'S', 'T'],
        S: ['singleton'],
        T: ['transient', 'B'],
        B: ['bubbled', 'R'],
        R: ['request'],
      });
      expect(namesOf(graph.chainToRequestScope(named('A')))).toEqual(['A', 'T', 'B', 'R']);
    });

    it('leads to a durable provider where nothing else is request-scoped', () => {
      const { graph, named } = graphOf({ A: ['durable', 'D'], D: ['durable'] });
      expect(namesOf(graph.chainToRequestScope({ ...named('A'), declared: 'singleton' }))).toEqual([
        'A',
        'D',
      ]);
    });

    it('comes to an end in a circle of forwardRef()', () => {
      const { graph, named } = graphOf({
        A: ['bubbled', 'B'],
        B: ['bubbled', 'A', 'R'],
        R: ['request'],
      });
      expect(namesOf(graph.chainToRequestScope(named('A')))).toEqual(['A', 'B', 'R']);
    });
  });

  describe('scopedTree', () => {
    it('has what is built with a provider, each once, nearest first', () => {
      const { graph, named } = graphOf({
        A: ['request', 'B', 'C'],
        B: ['bubbled', 'D'],
        C: ['transient', 'D'],
        D: ['request'],
        Other: ['request'],
      });
      expect(namesOf(graph.scopedTree(named('A')))).toEqual(['A', 'B', 'C', 'D']);
    });

    it('ends at what is shared: singletons with their transients, and durable providers', () => {
      const { graph, named } = graphOf({
        A: ['request', 'S', 'D', 'R'],
        S: ['singleton', 'T'],
        T: ['transient'],
        D: ['durable', 'Within'],
        Within: ['request'],
        R: ['request'],
      });
      expect(namesOf(graph.scopedTree(named('A')))).toEqual(['A', 'R']);
    });

    it('has the provider itself, for every lifetime', () => {
      const { graph, named } = graphOf({ S: ['singleton'] });
      expect(namesOf(graph.scopedTree(named('S')))).toEqual(['S']);
    });

    it('comes to an end in a circle', () => {
      const { graph, named } = graphOf({
        A: ['request', 'B'],
        B: ['request', 'A', 'B'],
      });
      expect(namesOf(graph.scopedTree(named('A')))).toEqual(['A', 'B']);
    });
  });

  describe('misjudged', () => {
    it('[K1] has the providers that Nest builds once although they reach a request-scoped one', () => {
      const { graph } = graphOf({
        Outer: ['singleton', 'A'],
        A: ['singleton', 'B'],
        B: ['bubbled', 'R'],
        R: ['request'],
        Other: ['singleton', 'Clock'],
        Clock: ['transient'],
      });
      expect(namesOf(graph.misjudged())).toEqual(['Outer', 'A']);
    });

    it('[K1] is empty where Nest is right, and in a circle', () => {
      const { graph } = graphOf({
        A: ['bubbled', 'B'],
        B: ['bubbled', 'A', 'R'],
        R: ['request'],
        One: ['singleton', 'Two'],
        Two: ['singleton', 'One'],
      });
      expect(graph.misjudged()).toEqual([]);
    });
  });

  describe('livesInScope', () => {
    it.each<[Lifetime, boolean]>([
      ['singleton', false],
      ['request', true],
      ['bubbled', true],
      ['durable', false],
      ['transient', true],
    ])('says of %s: %s', (lifetime, expected) => {
      const { named } = graphOf({ A: [lifetime] });
      expect(livesInScope(named('A'))).toBe(expected);
    });
  });

  it('is plain data: no provider is changed by what is asked of it', () => {
    const { graph, named } = graphOf({ A: ['bubbled', 'B'], B: ['request'] });
    const before = JSON.stringify(graph.providers);
    graph.chainToRequestScope(named('A'));
    graph.scopedTree(named('A'));
    expect(JSON.stringify(graph.providers)).toBe(before);
  });
});
