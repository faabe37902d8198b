import type { TickEntry } from '../ticks/tick-entry.js';

interface Column {
  readonly title: string;
  readonly width: number;
  readonly right?: boolean;
  /** True to leave it out in a narrow terminal. */
  readonly wideOnly?: boolean;
  text(entry: TickEntry): string;
}

const COLUMNS: readonly Column[] = [
  {
    title: 'time',
    width: 8,
    wideOnly: true,
    text: ({ endedAt }) => endedAt.toTimeString().slice(0, 8),
  },
  { title: 'schedule', width: 9, text: ({ schedule }) => schedule },
  { title: 'tick', width: 15, text: ({ tick }) => tick ?? '-' },
  { title: 'scope', width: 16, text: ({ scope }) => scope ?? '-' },
  {
    title: 'manager',
    width: 7,
    right: true,
    text: ({ entityManager }) => (entityManager === undefined ? '-' : `#${entityManager}`),
  },
  { title: 'built', width: 5, right: true, text: ({ built }) => String(built) },
  { title: 'disposed', width: 8, right: true, text: ({ disposed }) => String(disposed) },
  { title: 'ms', width: 6, right: true, text: ({ durationMs }) => durationMs.toFixed(1) },
  { title: 'pool', width: 5, right: true, text: ({ pool }) => `${pool.idle}/${pool.total}` },
  { title: 'result', width: 0, wideOnly: true, text: ({ note }) => note },
];

const WIDE = 110;

/** Lays out the columns that fit into the terminal. */
export class TickTable {
  readonly #columns: readonly Column[];
  readonly #gap: string;

  constructor(readonly isWide: boolean) {
    this.#columns = COLUMNS.filter((column) => isWide || !column.wideOnly);
    this.#gap = isWide ? '  ' : ' ';
  }

  /** @param columns The width of the terminal; undefined if the output goes to a file or a pipe. */
  static for(columns: number | undefined): TickTable {
    return new TickTable(columns === undefined || columns >= WIDE);
  }

  header(): string {
    return this.line(({ title }) => title);
  }

  row(entry: TickEntry): string {
    return this.line((column) => column.text(entry));
  }

  private line(cell: (column: Column) => string): string {
    return this.#columns
      .map((column) =>
        column.right ? cell(column).padStart(column.width) : cell(column).padEnd(column.width),
      )
      .join(this.#gap)
      .trimEnd();
  }
}
