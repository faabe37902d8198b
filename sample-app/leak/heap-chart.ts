const BARS = ' ▁▂▃▄▅▆▇█';
const ROWS = 8;

/** Draws the heap of one side over time as columns: one for each moment, with eight steps for each row of text. */
export class HeapChart {
  readonly #values: number[] = [];

  constructor(
    private readonly title: string,
    private readonly width: number,
  ) {}

  add(heapMb: number): void {
    this.#values.push(heapMb);
  }

  get highest(): number {
    return Math.max(0, ...this.#values);
  }

  get latest(): number | undefined {
    return this.#values.at(-1);
  }

  /** @param topMb The heap at full height, the same for both charts, so that you can compare them. */
  lines(topMb: number): string[] {
    const columns = this.columns();
    const step = topMb / (ROWS * 8) || 1;
    const rows: string[] = [];
    for (let row = ROWS - 1; row >= 0; row -= 1) {
      const label = row === ROWS - 1 ? `${topMb.toFixed(0)} MB` : row === 0 ? '0 MB' : '';
      const drawn = columns.map((heapMb) => {
        const eighths = Math.round(heapMb / step) - row * 8;
        return BARS[Math.max(0, Math.min(8, eighths))]!;
      });
      rows.push(`${label.padStart(7)} |${drawn.join('')}`.trimEnd());
    }
    return [this.title, ...rows];
  }

  /** Returns at most `width` columns, each the mean of its moments. */
  private columns(): number[] {
    const each = Math.max(1, Math.ceil(this.#values.length / this.width));
    const columns: number[] = [];
    for (let from = 0; from < this.#values.length; from += each) {
      const part = this.#values.slice(from, from + each);
      columns.push(part.reduce((sum, value) => sum + value, 0) / part.length);
    }
    return columns;
  }
}
