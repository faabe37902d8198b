import type { GraphProvider } from '../../graph/index.js';
import { finding, type Finding } from '../../errors/finding.js';
import { arrows, type TickGraph } from '../tick-graph.js';

/**
 * Reports a request-scoped factory that returns an object that a static provider keeps. The graph doesn't show what a factory
 * returns, so the scope that receives the object detects it.
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
    message: `The factory of ${name} is request-scoped, but returns an object that a singleton holds${way}. Every tick gets the same object, and no scope disposes it. Create a new object in the factory. If sharing is intentional, return shared(...), or remove the scope of the factory.`,
  });
}
