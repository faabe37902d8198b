import type { Lifetime } from '../../../graph/index.js';
import type { InspectedProvider, InspectedWorker } from '../../inspection.js';
import type { Sheet } from './sheet.js';
import { padded } from './text.js';
import { writeTree } from './tree-lines.js';

/** Explains the lifetimes, in the order of the page. */
const MEANINGS: Readonly<Record<Lifetime, string>> = {
  request: 'new for each tick, because the provider declares it',
  bubbled: 'new for each tick, because one of its dependencies is',
  transient: 'new for each provider that injects it',
  durable: 'one for each context, such as a tenant; no tick disposes it',
  singleton: 'one for the whole application; no tick disposes it',
};

/** Writes each worker with the instances that are built for its ticks, and those that are disposed after them. */
export function writeWorkers(workers: readonly InspectedWorker[], sheet: Sheet): void {
  if (workers.length === 0) return;
  sheet.heading(`Workers (${workers.length})`);
  sheet.blank();
  const shown = new Set(workers.flatMap(({ tree }) => [...lifetimesIn(tree)]));
  for (const [lifetime, meaning] of Object.entries(MEANINGS) as [Lifetime, string][]) {
    if (!shown.has(lifetime)) continue;
    const word = lifetime === 'singleton' ? 'shared' : lifetime;
    sheet.text(meaning, { before: padded(word, 'transient  '.length) });
  }
  if (workers.some(({ tree }) => hasFactory(tree))) {
    sheet.blank();
    sheet.text(
      'The result of a factory is disposed if it has a disposer. The inspector cannot see that, because it calls no factory.',
    );
  }
  for (const worker of workers) writeWorker(worker, sheet);
}

function writeWorker(
  { name, module, handlers, tree, disposal }: InspectedWorker,
  sheet: Sheet,
): void {
  sheet.blank();
  sheet.name(name, `in ${module}`);
  if (handlers.length > 0)
    sheet.text(handlers.join(', '), {
      indent: 4,
      before: handlers.length === 1 ? 'handler  ' : 'handlers ',
    });
  else
    sheet.text('has no decorated handler; you can add schedules while the application runs', {
      indent: 4,
    });
  sheet.blank();
  writeTree(tree, sheet);
  sheet.blank();
  if (disposal.length === 0) {
    sheet.text('Nothing is disposed after a tick.', { indent: 4 });
    return;
  }
  sheet.text('Disposed after each tick, in this order:', { indent: 4 });
  const digits = String(disposal.length).length;
  disposal.forEach((what, index) => {
    sheet.text(what, { indent: 4, before: `${String(index + 1).padStart(digits + 1)}. ` });
  });
}

function hasFactory({ isFactory, lifetime, dependencies }: InspectedProvider): boolean {
  return (isFactory && lifetime !== 'singleton') || dependencies.some(hasFactory);
}

function* lifetimesIn({ lifetime, dependencies }: InspectedProvider): Generator<Lifetime> {
  yield lifetime;
  for (const dependency of dependencies) yield* lifetimesIn(dependency);
}
