import type { GraphProvider } from '../../graph/index.js';
import { finding, type Finding } from '../../errors/finding.js';
import { arrows, type TickGraph } from '../tick-graph.js';

/**
 * A request-scoped factory that hands out an object which a static provider holds. What a factory returns is not known before it
 * runs, so no rule can see it in the graph: the scope that gets the object does.
 */
export function sharedByFactory(provider: GraphProvider, ticks: TickGraph): Finding {
  const { name, token } = provider;
  const chain = ticks.chain([provider]);
  const way = chain.length > 1 ? ` (${arrows(chain)})` : '';
  return finding({
    kind: 'shared-by-factory',
    subject: name,
    token,
    chain,
    message: `The factory of ${name} is request-scoped, but hands out an object that a singleton holds${way}: every tick gets the same one, and no scope disposes it. Build a new one in the factory; if it is meant so, return shared(...), or leave the scope of the factory out.`,
  });
}
