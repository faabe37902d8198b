import type { Lifetime } from '../../../graph/lifetime-graph.js';
import type { InspectedProvider, InspectedWorker } from '../../inspection.interface.js';
import type { Sheet } from './sheet.js';
import { clean, fitName, padded, widthOf, wrap } from './text.js';

/** Explains the lifetimes, in the order in which the page shows them. */
const MEANINGS: Readonly<Record<Lifetime, string>> = {
  request: 'new for each tick, because the provider itself is request-scoped',
  bubbled: 'new for each tick, because one of its dependencies is',
  transient: 'new for each provider that injects it',
  durable: 'one for each context, such as a tenant; no tick disposes it',
  singleton: 'one for the whole application; no tick disposes it',
};

/** Writes each worker with the instances that are built for each tick, and with what is disposed after that tick. */
export function writeWorkers(workers: readonly InspectedWorker[], sheet: Sheet): void {
  if (workers.length === 0) return;
  sheet.heading(`Workers (${workers.length})`);
  sheet.blank();
  const providers = workers.flatMap(({ tree }) => [...providersIn(tree)]);
  for (const [lifetime, meaning] of Object.entries(MEANINGS) as [Lifetime, string][]) {
    if (providers.every((provider) => provider.lifetime !== lifetime)) continue;
    const word = lifetime === 'singleton' ? 'shared' : lifetime;
    sheet.text(meaning, { before: padded(word, 'transient  '.length) });
  }
  if (providers.some(({ isFactory, lifetime }) => isFactory && lifetime !== 'singleton')) {
    sheet.blank();
    sheet.text(
      'The result of a factory is disposed if it has a disposer. The inspector cannot see that, because it calls no factory.',
    );
  }
  for (const worker of workers) writeWorker(worker, sheet);
}

function writeWorker(
  { name, module, handlers, tree, disposal, noPlan }: InspectedWorker,
  sheet: Sheet,
): void {
  sheet.blank();
  sheet.name(name, `in ${module}`);
  const before = handlers.length === 1 ? 'handler  ' : 'handlers ';
  if (handlers.length > 0) sheet.text(handlers.join(', '), { indent: 4, before });
  else
    sheet.text('has no decorated handler; you can add schedules while the application runs', {
      indent: 4,
    });
  if (noPlan !== undefined) sheet.text(`Nest builds it in every tick: ${noPlan}.`, { indent: 4 });
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

function* providersIn(tree: InspectedProvider): Generator<InspectedProvider> {
  yield tree;
  for (const dependency of tree.dependencies) yield* providersIn(dependency);
}

const INDENT = 4;
const GAP = 2;
const LIFETIME_WIDTH = 'transient'.length;
const SHARED = 'shared: ';

/** The share of a line that names may take if the details are long. */
const NAMES_SHARE = 0.55;

/** The minimum widths of a name and of the branches in front of it, even deep in the tree, unless the terminal is narrow. */
const SHORTEST_NAME = 12;
const SHORTEST_GUIDE = '…└─ '.length;

/** A row of the tree: one provider, or several shared ones. */
interface Row {
  /** The branches in front of the first line. */
  readonly guide: string;
  /** The branches in front of the following lines. */
  readonly guideBelow: string;
  readonly provider: InspectedProvider | undefined;
  readonly detail: string;
}

/** The maximum widths of a name with the branches in front of it, and of the branches alone. */
interface Columns {
  readonly name: number;
  readonly guide: number;
}

/**
 * Writes a worker and its dependencies, one row for each, with the lifetime and details. All shared dependencies of a provider
 * are in one row.
 */
function writeTree(tree: InspectedProvider, sheet: Sheet): void {
  const rows = rowsOf(tree, '', '');
  const room = sheet.width - INDENT - LIFETIME_WIDTH - 2 * GAP;
  const named = rows.filter(({ provider }) => provider !== undefined);
  const widestName = Math.max(
    ...named.map(({ guide, provider }) => widthOf(guide) + widthOf(clean(provider!.name))),
  );
  const widestDetail = Math.max(...named.map(({ detail }) => widthOf(clean(detail))));
  const forNames = Math.max(Math.floor(room * NAMES_SHARE), room - widestDetail);
  const columns = {
    name: Math.min(widestName, forNames),
    guide: Math.max(forNames - SHORTEST_NAME, SHORTEST_GUIDE),
  };
  for (const row of rows) writeRow(row, columns, sheet);
}

function rowsOf(provider: InspectedProvider, guide: string, below: string): Row[] {
  const own = provider.dependencies.filter(({ lifetime }) => lifetime !== 'singleton');
  const shared = sharedBy(provider);
  const hasMore = provider.dependencies.length > 0;
  const rows: Row[] = [
    { guide, guideBelow: hasMore ? `${below}│` : below, provider, detail: detailOf(provider) },
  ];
  const branches = shared.length === 0 ? own : [...own, shared];
  for (const branch of branches) {
    const isLast = branch === branches.at(-1);
    const next = `${below}${isLast ? '└─ ' : '├─ '}`;
    const nextBelow = `${below}${isLast ? '   ' : '│  '}`;
    if (typeof branch !== 'string') rows.push(...rowsOf(branch, next, nextBelow));
    else rows.push({ guide: next, guideBelow: nextBelow, provider: undefined, detail: shared });
  }
  return rows;
}

/** Returns the names of a provider's dependencies that are shared by the whole application. */
function sharedBy({ dependencies }: InspectedProvider): string {
  const shared = dependencies.filter(({ lifetime }) => lifetime === 'singleton');
  return [...new Set(shared.map(({ name }) => name))].join(', ');
}

/** Returns the details that a row shows after the lifetime. */
function detailOf(provider: InspectedProvider): string {
  const { why, lifetime, isFactory, disposer, scopeHooks, isRepeated } = provider;
  if (isRepeated) return 'the same as above';
  return [
    ...(lifetime === 'bubbled' ? [why] : []),
    ...(isFactory ? ['made by a factory'] : []),
    ...(disposer === undefined ? [] : [`disposed by ${disposer}`]),
    ...(scopeHooks.length === 0 ? [] : [`has ${scopeHooks.join(', ')}`]),
  ].join('; ');
}

function writeRow(row: Row, columns: Columns, sheet: Sheet): void {
  const margin = ' '.repeat(INDENT);
  const guide = fitGuide(row.guide, columns.guide);
  const guideBelow = fitGuide(row.guideBelow, columns.guide);
  const { provider, detail } = row;
  if (provider === undefined) {
    const below = guideBelow + ' '.repeat(SHARED.length);
    wrap(detail, sheet.width - INDENT - widthOf(below)).forEach((line, index) => {
      const lead = index === 0 ? guide + SHARED : below;
      sheet.line(margin + sheet.paint('quiet', lead + line));
    });
    return;
  }
  const { name, lifetime } = provider;
  const shown = fitName(name, columns.name - widthOf(guide));
  const isRoot = row.guide === '';
  const gap = ' '.repeat(GAP);
  const left =
    sheet.paint('quiet', guide) +
    (isRoot ? sheet.paint('name', shown) : shown) +
    ' '.repeat(Math.max(0, columns.name - widthOf(guide) - widthOf(shown)));
  const rest = ' '.repeat(LIFETIME_WIDTH - lifetime.length);
  const before = columns.name + GAP + LIFETIME_WIDTH + GAP;
  const [first = '', ...others] = wrap(detail, sheet.width - INDENT - before);
  const after = first === '' ? '' : rest + gap + first;
  sheet.line(margin + left + gap + sheet.paint(lifetime, lifetime) + after);
  for (const line of others)
    sheet.line(`${margin}${sheet.paint('quiet', padded(guideBelow, before))}${line}`);
}

/** Returns the branches in front of a name; if they are too wide, only those nearest to the name. */
function fitGuide(guide: string, width: number): string {
  return guide.length <= width ? guide : `…${guide.slice(1 - width)}`;
}
