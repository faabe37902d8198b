import type { FindingSeverity } from '../../../errors/finding.js';
import type { Lifetime } from '../../../graph/lifetime-graph.js';
import type { Terminal } from '../terminal.js';
import { clean, fitName, padded, widthOf, wrap } from './text.js';

/** The role of a piece of text, which determines its color. */
type Look = Lifetime | FindingSeverity | 'heading' | 'name' | 'quiet' | 'fine';

/** SGR codes (ECMA-48): 1 is bold, 2 is faint, 4 is underlined, 31 and up are colors. */
const CODES: Readonly<Record<Look, string>> = {
  request: '36',
  bubbled: '33',
  transient: '35',
  durable: '34',
  singleton: '2',
  error: '1;31',
  warning: '1;33',
  info: '1;34',
  heading: '1;4',
  name: '1',
  quiet: '2',
  fine: '32',
};

const LABEL_WIDTH = 9;

/** The position and style of a piece of text. */
interface Placed {
  readonly indent?: number;
  /** The text in front of the piece, on the first line. */
  readonly before?: string;
  readonly look?: Look;
}

/** Collects the lines of a page, and keeps each line within the width of the page. */
export class Sheet {
  readonly #lines: string[] = [];

  constructor(private readonly terminal: Terminal) {}

  get width(): number {
    return this.terminal.width;
  }

  /** Applies a style to text. Returns the text unchanged if there is no style, or if the terminal shows no colors. */
  paint(look: Look | undefined, text: string): string {
    if (look === undefined || !this.terminal.isColored) return text;
    return `\u001B[${CODES[look]}m${text}\u001B[0m`;
  }

  heading(text: string): void {
    this.blank();
    this.#lines.push(this.paint('heading', text));
  }

  blank(): void {
    if (this.#lines.length > 0 && this.#lines.at(-1) !== '') this.#lines.push('');
  }

  /** Adds a name, shortened if necessary, with `before` in front of it, and `more` after or below it. */
  name(name: string, more: string, { indent = 2, before = '', look }: Placed = {}): void {
    const left = indent + widthOf(before);
    const fitting = fitName(name, this.width - left);
    const shown = ' '.repeat(indent) + this.paint(look, before) + this.paint('name', fitting);
    const isOneLine = left + widthOf(fitting) + 1 + widthOf(more) <= this.width;
    this.#lines.push(more !== '' && isOneLine ? `${shown} ${clean(more)}` : shown);
    if (!isOneLine) this.text(more, { indent: indent + 2 });
  }

  /** Adds text, wrapped into lines. The first line begins with `before`; the other lines are indented by its width. */
  text(text: string, { indent = 2, before = '', look }: Placed = {}): void {
    const margin = ' '.repeat(indent);
    const left = indent + widthOf(before);
    wrap(text, this.width - left).forEach((line, index) => {
      const lead = index === 0 ? before : ' '.repeat(widthOf(before));
      this.#lines.push(margin + lead + this.paint(look, line));
    });
  }

  /** Adds text after its label, such as `next   12:00, 13:00`. */
  labeled(label: string, text: string): void {
    this.text(text, { indent: 4, before: padded(label, LABEL_WIDTH) });
  }

  /** Adds a line that already fits. */
  line(line: string): void {
    this.#lines.push(line.trimEnd());
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}
