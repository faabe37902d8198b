import type { Terminal } from '../terminal.js';
import { paintOf, type Look, type Paint } from './paint.js';
import { clean, fitName, padded, widthOf, wrap } from './text.js';

/** Where a text stands, and how it looks. */
interface Placed {
  readonly indent?: number;
  /** What stands before it on its first line. */
  readonly before?: string;
  readonly look?: Look;
}

/** The lines of a page, none wider than it is. */
export class Sheet {
  readonly #lines: string[] = [];
  readonly width: number;
  readonly paint: Paint;

  constructor({ width, isColoured }: Terminal) {
    this.width = width;
    this.paint = paintOf(isColoured);
  }

  heading(text: string): void {
    this.blank();
    this.#lines.push(this.paint('heading', text));
  }

  blank(): void {
    if (this.#lines.length > 0 && this.#lines.at(-1) !== '') this.#lines.push('');
  }

  /**
   * A name, shortened if need be, with something short before it, and more behind it, or below it where that does not fit.
   */
  name(name: string, more: string, { indent = 2, before = '', look }: Placed = {}): void {
    const left = indent + widthOf(before);
    const fitting = fitName(name, this.width - left);
    const lead = look === undefined ? before : this.paint(look, before);
    const shown = `${' '.repeat(indent)}${lead}${this.paint('name', fitting)}`;
    const isOneLine = left + widthOf(fitting) + 1 + widthOf(more) <= this.width;
    this.#lines.push(more !== '' && isOneLine ? `${shown} ${clean(more)}` : shown);
    if (!isOneLine) this.text(more, { indent: indent + 2 });
  }

  /** A text over as many lines as it needs. What comes `before` stands on the first one, and the others are indented by as much. */
  text(text: string, { indent = 2, before = '', look }: Placed = {}): void {
    const margin = ' '.repeat(indent);
    const left = indent + widthOf(before);
    wrap(text, this.width - left).forEach((line, index) => {
      const lead = index === 0 ? before : ' '.repeat(widthOf(before));
      this.#lines.push(margin + lead + (look === undefined ? line : this.paint(look, line)));
    });
  }

  /** A text behind its label, such as `next   12:00, 13:00`. */
  labelled(label: string, text: string, indent = 4): void {
    this.text(text, { indent, before: padded(label, LABEL_WIDTH) });
  }

  /** A line that fits already. */
  line(line: string): void {
    this.#lines.push(line.trimEnd());
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

const LABEL_WIDTH = 9;
