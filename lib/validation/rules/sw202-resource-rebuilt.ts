import type { GraphProvider } from '../../graph/index.js';
import { finding, type Finding } from '../../errors/finding.js';
import { arrows, type TickGraph } from '../tick-graph.js';
import { nearestOf } from '../nearest.js';
import { mustStay } from './sw201-singleton-rebuilt.js';

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
    const marks = marksOf(provider).join(', ');
    return finding({
      kind: 'resource-rebuilt',
      subject: name,
      token: provider.token,
      chain,
      message: `${name} is built anew on every tick, because it depends on ${way.at(-1)!.name}, which is request-scoped (${arrows(chain)}). It has ${marks}, as pools, clients and caches have${unheard(provider)}. Take ${way[1]!.name} out of what it injects and pass what ${name} needs of it as an argument of its methods; if it is meant so, write @Injectable({ scope: Scope.REQUEST }) on ${name}.`,
    });
  });
}

function marksOf({ disposer, hooks }: GraphProvider): string[] {
  return [...new Set([...hooks, ...(disposer === undefined ? [] : [disposer])])];
}

/** Nest calls no hook of what is request-scoped; `onModuleDestroy` is called by the scope. */
function unheard({ hooks }: GraphProvider): string {
  const lost = hooks.filter((hook) => hook !== 'onModuleDestroy');
  return lost.length === 0 ? '' : `, and nobody calls ${lost.join(', ')} any more`;
}
