import { staysSingleton } from '../../decorators/worker.decorators.js';
import type { GraphProvider } from '../../graph/lifetime-graph.js';
import { arrows, finding, type Finding, type FindingKind } from '../../errors/finding.js';
import { isScopedTypeOrmToken, tokenText } from '../../nest/index.js';
import type { TickGraph } from '../tick-graph.js';

type Links = readonly [GraphProvider, ...GraphProvider[]];

/** Reports a provider that is marked `@StaysSingleton()` but isn't a singleton. */
export function singletonRebuilt(ticks: TickGraph): Finding[] {
  const rebuilt = ticks.graph.providers
    .filter(mustStay)
    .filter(({ lifetime }) => lifetime !== 'singleton');
  return nearestOf('singleton-rebuilt', rebuilt, ticks).map((links) => {
    const chain = ticks.chain(links);
    const [provider, dependency] = links;
    const { name, token } = provider;
    const marked = classNameOf(provider);
    const culprit = links.at(-1)!;
    const scope = provider.lifetime === 'durable' ? 'durable' : 'request-scoped';
    const message =
      dependency === undefined
        ? ticks.isWorker(provider)
          ? `${marked} is marked @StaysSingleton(), but it is a worker, and each tick gets a new one. Remove @StaysSingleton().`
          : `${marked} is marked @StaysSingleton(), but it is declared as ${itself(provider)}. Remove @StaysSingleton() or the scope.`
        : `${marked} is marked @StaysSingleton(), but ${culprit.name} makes it ${scope} (${arrows(chain)}). ${fate(provider)} Stop injecting ${dependency.name} into ${name}, and pass what ${name} needs from it as a method argument. Or remove @StaysSingleton().`;
    return finding({ kind: 'singleton-rebuilt', subject: name, token, chain, message });
  });
}

function mustStay({ kind, type, token }: GraphProvider): boolean {
  return kind !== 'alias' && kind !== 'value' && staysSingleton(type ?? token);
}

function itself({ declared, isDeclaredDurable }: GraphProvider): string {
  if (declared === 'transient') return 'transient';
  return isDeclaredDurable ? 'durable' : 'request-scoped';
}

function fate({ name, lifetime }: GraphProvider): string {
  return lifetime === 'durable'
    ? `Nest builds another ${name} for each context of the ContextIdStrategy.`
    : `Each scope builds and disposes its own ${name}, while objects that ${name} has returned may still be in use.`;
}

/**
 * Reports a provider, guard or similar class that appears to be a pool, client or cache, and is rebuilt on every tick. The class
 * has lifecycle hooks or a disposer, and is request-scoped only because of a dependency. If the class declares itself
 * request-scoped, or has scope hooks, this is intentional.
 */
export function resourceRebuilt(ticks: TickGraph): Finding[] {
  const rebuilt = ticks.graph.providers.filter(
    (provider) =>
      provider.lifetime === 'bubbled' &&
      provider.kind === 'class' &&
      provider.place !== 'controller' &&
      marksOf(provider).length > 0 &&
      provider.scopeHooks.length === 0 &&
      ticks.isBuiltForTicks(provider) &&
      !ticks.isWorker(provider) &&
      !mustStay(provider),
  );
  return nearestOf('resource-rebuilt', rebuilt, ticks).map((links) => {
    const chain = ticks.chain(links);
    const [provider, dependency] = links;
    const { name, token } = provider;
    const marks = marksOf(provider).join(' and ');
    const message = `${name} is built again on every tick, because it depends on ${links.at(-1)!.name}, which is request-scoped (${arrows(chain)}). It declares ${marks}, which suggests a pool, client or cache.${unheard(provider)} Stop injecting ${dependency!.name} into ${name}, and pass what ${name} needs from it as a method argument. If this is intentional, add @Injectable({ scope: Scope.REQUEST }) to ${classNameOf(provider)}.`;
    return finding({ kind: 'resource-rebuilt', subject: name, token, chain, message });
  });
}

/**
 * Reports a provider with lifecycle hooks that Nest doesn't call, because the provider is request-scoped through a worker or a
 * scoped repository. Ticks don't build it, so no other finding shows this. If requests or messages build it, or if another
 * provider makes it request-scoped, its scope is up to the application. If the provider declares itself request-scoped, or has
 * scope hooks, this is intentional.
 */
export function hookUnused(ticks: TickGraph): Finding[] {
  const { graph } = ticks;
  const silent = graph.providers.filter(
    (provider) =>
      provider.lifetime === 'bubbled' &&
      provider.kind === 'class' &&
      unheardOf(provider).length > 0 &&
      provider.scopeHooks.length === 0 &&
      !ticks.isBuiltForTicks(provider) &&
      !ticks.isBuiltForOthers(provider) &&
      !ticks.isWorker(provider) &&
      !mustStay(provider),
  );
  const chains = nearestOf('hook-unused', silent, ticks).filter((links) => {
    const culprit = links.at(-1)!;
    return ticks.isWorker(culprit) || isScopedTypeOrmToken(culprit.token);
  });
  return chains.map((links) => {
    const chain = ticks.chain(links);
    const [provider] = links;
    const { name, token } = provider;
    const lost = unheardOf(provider);
    const work = lost.length === 1 ? 'The work in the hook' : 'The work in these hooks';
    const message = `Nest never calls ${lost.join(' or ')} on ${name}, because it depends on ${links.at(-1)!.name}, which is request-scoped (${arrows(chain)}). ${work} never happens. ${instead(links, ticks)}`;
    return finding({ kind: 'hook-unused', subject: name, token, chain, message });
  });
}

function instead(links: Links, ticks: TickGraph): string {
  const dependency = links[1]!;
  const culprit = links.at(-1)!;
  if (ticks.isWorker(culprit))
    return `Move the fields and methods of ${culprit.name} that ${links.at(-2)!.name} uses into a separate service, and inject it into both. To run a handler once at start-up, set runOnStart: true.`;
  return isScopedTypeOrmToken(dependency.token)
    ? `Instead of ${dependency.name}, inject the EntityManager or Repository from @nestjs/typeorm.`
    : `Instead of ${dependency.name}, inject ProviderScopeFactory as scopes, and resolve ${dependency.name} in scopes.run(async (scope) => { ... }).`;
}

/** Returns the name of the class to change. The token may be different, for example an abstract class. */
function classNameOf({ type, name }: GraphProvider): string {
  return type === undefined ? name : tokenText(type);
}

function marksOf({ disposer, hooks }: GraphProvider): string[] {
  return [...new Set([...hooks, ...(disposer === undefined ? [] : [disposer])])];
}

function unheard(provider: GraphProvider): string {
  const lost = unheardOf(provider);
  return lost.length === 0
    ? ''
    : ` Nest never calls ${lost.join(' or ')} on request-scoped instances.`;
}

/** Returns the hooks that Nest never calls on request-scoped instances. The scope calls `onModuleDestroy`. */
function unheardOf({ hooks }: GraphProvider): string[] {
  return hooks.filter((hook) => hook !== 'onModuleDestroy');
}

/**
 * Keeps only the provider nearest to the request-scoped dependency, because fixing that provider fixes the others on the chain.
 * A provider whose finding is allowed isn't going to be fixed, so it doesn't hide others.
 *
 * @returns the chain from each remaining provider to the provider that makes it request-scoped, including both.
 */
function nearestOf(
  kind: FindingKind,
  rebuilt: readonly GraphProvider[],
  { graph, allows }: TickGraph,
): Links[] {
  const ids = new Set(rebuilt.filter((provider) => !allows(kind, provider)).map(({ id }) => id));
  return rebuilt.flatMap((provider) => {
    if (graph.chainToRequestScope(provider) === undefined) return [[provider]];
    // A provider is left out if each of its chains leads through another provider in `ids`.
    const links = graph.chainToRequestScope(
      provider,
      ({ id }) => id === provider.id || !ids.has(id),
    );
    return links === undefined ? [] : [links as Links];
  });
}
