import type { GraphProvider } from '../../graph/index.js';
import { finding, type Finding } from '../../errors/finding.js';
import { arrows, type TickGraph } from '../tick-graph.js';
import { nearestOf } from '../nearest.js';
import { mustStay } from './sw201-sw202-rebuilt.js';

/**
 * Reports a probable pool, client or cache that is built again on every tick: a provider, a guard or a similar class with
 * lifecycle hooks or a disposer that is request-scoped only because of a dependency. If it declares itself request-scoped, or
 * has hooks for scopes, this is intentional.
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
  return nearestOf('resource-rebuilt', rebuilt, ticks).map(({ provider, way }) => {
    const chain = ticks.chain(way);
    const { name } = provider;
    const marks = marksOf(provider).join(' and ');
    return finding({
      kind: 'resource-rebuilt',
      subject: name,
      token: provider.token,
      chain,
      message: `${name} is built again on every tick, because it depends on ${way.at(-1)!.name}, which is request-scoped (${arrows(chain)}). It declares ${marks}, which suggests a pool, client or cache.${unheard(provider)} Stop injecting ${way[1]!.name} into ${name}, and pass what ${name} needs from it as a method argument. If this is intentional, add @Injectable({ scope: Scope.REQUEST }) to ${name}.`,
    });
  });
}

function marksOf({ disposer, hooks }: GraphProvider): string[] {
  return [...new Set([...hooks, ...(disposer === undefined ? [] : [disposer])])];
}

/** Names the hooks that Nest never calls on request-scoped instances. The scope calls `onModuleDestroy`. */
function unheard({ hooks }: GraphProvider): string {
  const lost = hooks.filter((hook) => hook !== 'onModuleDestroy');
  return lost.length === 0
    ? ''
    : ` Nest never calls ${lost.join(' or ')} on request-scoped instances.`;
}
