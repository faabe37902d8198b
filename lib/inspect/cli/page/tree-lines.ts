import type { InspectedProvider } from '../../inspection.js';
import type { Sheet } from './sheet.js';
import { clean, fitName, padded, widthOf, wrap } from './text.js';

const INDENT = 4;
const GAP = 2;
const LIFETIME_WIDTH = 'transient'.length;
const SHARED = 'shared: ';

/** The share of a line that names may take if the details are long. */
const NAMES_SHARE = 0.55;

/** The minimum widths of a name and of the branches in front of it, even deep in the tree, unless the terminal is narrow. */
const SHORTEST_NAME = 12;
const SHORTEST_GUIDE = '…└─ '.length;

/** A line of the tree: a provider, or several shared ones on one line. */
interface Row {
  /** The branches in front of it. */
  readonly guide: string;
  /** The branches in front of its further lines. */
  readonly guideBelow: string;
  readonly provider: InspectedProvider | undefined;
  readonly detail: string;
}

/** The maximum widths. */
interface Columns {
  readonly name: number;
  readonly guide: number;
}

/**
 * Writes a worker and its dependencies, one line for each, with the lifetime and its reason. Shared providers are on one line.
 */
export function writeTree(tree: InspectedProvider, sheet: Sheet): void {
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
  const shared = provider.dependencies.filter(({ lifetime }) => lifetime === 'singleton');
  const hasMore = provider.dependencies.length > 0;
  const rows: Row[] = [
    { guide, guideBelow: hasMore ? `${below}│` : below, provider, detail: detailOf(provider) },
  ];
  own.forEach((dependency, index) => {
    const isLast = index === own.length - 1 && shared.length === 0;
    rows.push(
      ...rowsOf(
        dependency,
        `${below}${isLast ? '└─ ' : '├─ '}`,
        `${below}${isLast ? '   ' : '│  '}`,
      ),
    );
  });
  if (shared.length > 0) {
    const names = [...new Set(shared.map(({ name }) => name))];
    rows.push({
      guide: `${below}└─ `,
      guideBelow: `${below}   `,
      provider: undefined,
      detail: names.join(', '),
    });
  }
  return rows;
}

/** Returns what the name of the lifetime doesn't say. */
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

/** Draws only the nearest branches if the tree is too deep. */
function fitGuide(guide: string, width: number): string {
  return guide.length <= width ? guide : `…${guide.slice(1 - width)}`;
}
