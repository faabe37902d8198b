import type { GraphProvider } from '../../graph/lifetime-graph.js';
import { arrows, finding, type Finding } from '../../errors/finding.js';
import { listed, type TickGraph } from '../tick-graph.js';
import { isFactory, tokenText, type NestWrapper } from '../../nest/index.js';

/**
 * Reports a request-scoped factory that returns an object that a static provider keeps. The graph doesn't show what a factory
 * returns, so the scope that receives the object detects this.
 */
export function sharedByFactory(provider: GraphProvider, ticks: TickGraph): Finding {
  const { name, token } = provider;
  const chain = ticks.chain([provider]);
  const shown = chain.length > 1 ? ` (${arrows(chain)})` : '';
  const message = `The factory of ${name} is request-scoped, but returns an object that a singleton holds${shown}. Every tick gets the same object, and no scope disposes it. Create a new object in the factory. If sharing is intentional, return shared(...), or remove the scope of the factory.`;
  return finding({ kind: 'shared-by-factory', subject: name, token, chain, message });
}

/** The maximum number of fields that a message names. */
const NAMED = 10;

/**
 * Reports a handler that leaves changed fields on its worker. The graph can't show this; only a tick can. The change may be
 * intentional, such as a cache for one tick.
 */
export function stateOnWorker(
  wrapper: NestWrapper,
  method: string,
  fields: readonly string[],
): Finding {
  const { token, metatype } = wrapper;
  // The metatype of a factory is its function.
  const name = tokenText(isFactory(wrapper) ? token : (metatype ?? token));
  const subject = `${name}.${method}`;
  const [has, values] =
    fields.length === 1
      ? ['a changed field', 'value of this field is']
      : ['changed fields', 'values of these fields are'];
  const message = `${subject} leaves ${has} on its worker: ${listed(fields, NAMED)}. The next tick gets a new ${name}, so the ${values} lost. If a later tick needs this state, keep it in a singleton and inject that. If only this tick uses it, add SW209 for '${subject}' to allowFindings.`;
  return finding({ kind: 'state-on-worker', subject, token, message });
}
