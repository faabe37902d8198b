import { REQUEST } from '@nestjs/core';
import { injectsTick } from '../../decorators/worker.decorators.js';
import { namesOf, type GraphProvider } from '../../graph/lifetime-graph.js';
import { isOwnToken } from '../../nest/index.js';
import { arrows, finding, type Finding } from '../../errors/finding.js';
import type { TickGraph } from '../tick-graph.js';

/** Whether a provider is for workers. */
type Purpose = 'yes' | 'likely' | 'no';

/**
 * Reports a controller that is request-scoped only because of providers that are for workers, and not by its own declaration. A
 * provider is for workers if it is a worker, injects the tick, or is built on the scoped providers of this library. A provider
 * that workers inject and controllers don't is only likely to be for workers, so the severity is then `info`. A provider that
 * reads the request is for requests. Gateways are reported with the other classes that receive messages, as
 * `message-handler-scoped`.
 */
export function controllerRebuilt(ticks: TickGraph): Finding[] {
  const controllers = ticks.graph.providers.filter(({ place }) => place === 'controller');
  return controllers.flatMap((controller) => {
    if (ticks.isWorker(controller)) return [];
    const refused = statementsRefused(controller, ticks);
    if (refused !== undefined) return [refused];
    if (controller.lifetime !== 'bubbled') return [];
    const culprits = culpritsOf(controller, ticks);
    const purposes = culprits.map((culprit) => isForWorkers(culprit, controller, ticks));
    if (purposes.length === 0 || purposes.includes('no')) return [];
    const isSure = !purposes.includes('likely');
    const links = ticks.graph.chainToRequestScope(controller)!;
    const chain = namesOf(links);
    const { name, token } = controller;
    // The class that injects the tick never names `REQUEST`.
    const end = links.at(-1)!.token === REQUEST ? links.slice(0, -1) : links;
    const cause = end.length === 1 ? 'the tick' : end.at(-1)!.name;
    const message = `${name} is request-scoped because of ${cause} (${arrows(chain)}), ${why(end, isSure, ticks)}. Nest builds it and its dependencies again for every request, and a request has no tick. ${instead(end, ticks)}. If this is intentional, add scope: Scope.REQUEST to ${name}.`;
    const severity = isSure ? undefined : 'info';
    return finding({ kind: 'controller-rebuilt', severity, subject: name, token, chain, message });
  });
}

/** Reports a controller that reaches a scoped `EntityManager` or `Repository`, even if it is intentionally request-scoped. */
function statementsRefused(controller: GraphProvider, ticks: TickGraph): Finding | undefined {
  const links = ticks.graph.chainTo(controller, ({ token }) => isOwnToken(token));
  if (links === undefined || links.some((provider) => ticks.isWorker(provider))) return undefined;
  const chain = namesOf(links);
  const { name, token } = controller;
  const message = `${name} depends on ${chain.at(-1)!} (${arrows(chain)}), which works only in a scope. In a request, its statements fail, because no scope would release its connection. Use separate services for workers and for ${name}, and inject the EntityManager or Repository from @nestjs/typeorm into the latter.`;
  return finding({ kind: 'controller-rebuilt', subject: name, token, chain, message });
}

function why(links: readonly GraphProvider[], isSure: boolean, ticks: TickGraph): string {
  if (!isSure) return 'which workers, but no controllers, inject directly';
  return ticks.isWorker(links.at(-1)!) ? 'which is a worker' : 'which is meant for workers';
}

function instead(links: readonly GraphProvider[], ticks: TickGraph): string {
  const [{ name }, dependency] = links as [GraphProvider, GraphProvider | undefined];
  if (dependency === undefined) return 'Call currentTick() instead of injecting the tick';
  const { id, name: cause } = links.at(-1)!;
  const worker = ticks.workers.find(({ provider }) => provider.id === id);
  const schedule = worker?.schedules[0];
  if (schedule !== undefined)
    return `Move the fields and methods of ${cause} that ${links.at(-2)!.name} uses into a separate service, and inject it into both. Keep only the handlers in ${cause}. To run a handler on demand, inject ScopedWorkerRegistry and call registry.run('${schedule}')`;
  return links.length === 2
    ? `Instead of ${cause}, inject ProviderScopeFactory as scopes, and resolve ${cause} in scopes.run(async (scope) => { ... })`
    : `Use separate services for workers and for ${name}, or pass what ${dependency.name} needs from ${cause} as a method argument`;
}

/** Returns the nearest providers in a provider's tree that declare themselves request-scoped. */
function culpritsOf(from: GraphProvider, { graph }: TickGraph): GraphProvider[] {
  return graph
    .treeOf(from, (next, at) => at.declared !== 'request' && next.lifetime !== 'singleton')
    .filter(({ declared }) => declared === 'request');
}

function isForWorkers(culprit: GraphProvider, entrance: GraphProvider, ticks: TickGraph): Purpose {
  const { graph } = ticks;
  // The tick is injected as REQUEST: the class that injects it is on the chain.
  if (culprit.token === REQUEST) {
    const isTick = graph
      .dependentsOf(culprit)
      .filter((dependent) => graph.chainTo(entrance, ({ id }) => id === dependent.id) !== undefined)
      .every(({ type }) => injectsTick(type));
    return isTick ? 'yes' : 'no';
  }
  if (ticks.isWorker(culprit)) return 'yes';
  const tree = graph.scopedTree(culprit);
  const readsRequest = tree.some(
    (provider) =>
      !injectsTick(provider.type) &&
      graph.dependenciesOf(provider).some(({ token }) => token === REQUEST),
  );
  if (readsRequest) return 'no';
  if (tree.some((provider) => injectsTick(provider.type) || isOwnToken(provider.token)))
    return 'yes';
  const dependents = graph.dependentsOf(culprit);
  const isLikely =
    dependents.some((dependent) => ticks.isWorker(dependent)) &&
    !dependents.some(({ place, isGateway }) => place !== 'provider' || isGateway);
  return isLikely ? 'likely' : 'no';
}
