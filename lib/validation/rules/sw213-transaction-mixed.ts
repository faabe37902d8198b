import { connectionOf, type ConnectionOfScope } from '../../graph/connection-of.js';
import { livesInScope, namesOf, type GraphProvider } from '../../graph/lifetime-graph.js';
import { arrows, finding, type Finding } from '../../errors/finding.js';
import type { TickGraph, WorkerRoot } from '../tick-graph.js';

/** A provider that injects a scoped repository or entity manager. */
interface Use extends ConnectionOfScope {
  readonly user: GraphProvider;
  readonly injected: GraphProvider;
}

/**
 * Reports a provider whose writes aren't part of its tick's transaction. The provider injects a scoped repository or entity manager
 * without a transaction. Another provider of the tick injects one with a transaction, from the same data source. The graph doesn't
 * show whether the first provider only reads.
 */
export function transactionMixed(ticks: TickGraph): Finding[] {
  const findings = new Map<string, Finding>();
  for (const worker of ticks.workers) {
    if (worker.handlers.length === 0) continue;
    const uses = usesIn(worker, ticks);
    for (const outside of uses.filter(({ isTransactional }) => !isTransactional)) {
      const inside = uses.find(
        ({ dataSource, isTransactional }) => isTransactional && dataSource === outside.dataSource,
      );
      const key = `${outside.user.id} ${outside.dataSource}`;
      if (inside !== undefined && !findings.has(key))
        findings.set(key, mixed(outside, inside, chainTo(outside, worker, ticks)));
    }
  }
  return [...findings.values()];
}

function mixed(outside: Use, inside: Use, chain: readonly string[]): Finding {
  const { user, injected, dataSource } = outside;
  const { name, token, module } = user;
  const message = `Ticks of ${chain[0]} use the data source ${dataSource} both with and without a transaction. ${name} in ${module} injects ${injected.name} without { transaction: true } (${arrows(chain)}), but ${inside.user.name} in ${inside.user.module} injects ${inside.injected.name} with it. If a tick fails, its transaction is rolled back, but what ${name} has written outside it stays committed. Set { transaction: true } in the ScopedTypeOrmModule.forFeature() that provides ${injected.name} to ${module}. If ${name} only reads through ${injected.name}, or its writes must survive a failed tick, add SW213 for ${name} to allowFindings.`;
  return finding({ kind: 'transaction-mixed', subject: name, token, chain, message });
}

function usesIn({ provider, around }: WorkerRoot, { graph }: TickGraph): Use[] {
  const tree = new Set([provider, ...around].flatMap((root) => graph.scopedTree(root)));
  return [...tree].flatMap((injected) =>
    graph.dependenciesOf(injected).flatMap(({ token }) => {
      const connection = connectionOf(token);
      if (connection === undefined) return [];
      const users = graph.dependentsOf(injected).filter((user) => tree.has(user));
      return users.map((user) => ({ ...connection, user, injected }));
    }),
  );
}

/** Returns the names from the handler to the injected repository or entity manager. */
function chainTo(
  { user, injected }: Use,
  { provider, around, handlers }: WorkerRoot,
  { graph }: TickGraph,
): string[] {
  const isUser = (to: GraphProvider): boolean => to === user;
  const [links = []] = [provider, ...around].flatMap((root) => {
    const found = graph.chainTo(root, isUser, livesInScope);
    return found === undefined ? [] : [found.filter((link) => link !== provider)];
  });
  return [handlers[0]!, ...namesOf(links), injected.name];
}
