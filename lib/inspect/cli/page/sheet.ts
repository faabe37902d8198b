import { type Terminal, paintOf, type Look, type Paint } from '../terminal.js';
import { clean, fitName, padded, widthOf, wrap } from './text.js';

/** The position and the look of a text. */
interface Placed {
  readonly indent?: number;
  /** The text before it on its first line. */
  readonly before?: string;
  readonly look?: Look;
}

/** Collects the lines of a page, and keeps each within its width. */
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

  /** Adds a name, shortened if necessary, with `before` in front of it, and `more` behind it or below it. */
  name(name: string, more: string, { indent = 2, before = '', look }: Placed = {}): void {
    const left = indent + widthOf(before);
    const fitting = fitName(name, this.width - left);
    const lead = look === undefined ? before : this.paint(look, before);
    const shown = `${' '.repeat(indent)}${lead}${this.paint('name', fitting)}`;
    const isOneLine = left + widthOf(fitting) + 1 + widthOf(more) <= this.width;
    this.#lines.push(more !== '' && isOneLine ? `${shown} ${clean(more)}` : shown);
    if (!isOneLine) this.text(more, { indent: indent + 2 });
  }

  /** Adds a text, wrapped into lines. `before` is on the first line; the others are indented by its width. */
  text(text: string, { indent = 2, before = '', look }: Placed = {}): void {
    const margin = ' '.repeat(indent);
    const left = indent + widthOf(before);
    wrap(text, this.width - left).forEach((line, index) => {
      const lead = index === 0 ? before : ' '.repeat(widthOf(before));
      this.#lines.push(margin + lead + (look === undefined ? line : this.paint(look, line)));
    });
  }

  /** Adds a text behind its label, such as `next   12:00, 13:00`. */
  labelled(label: string, text: string, indent = 4): void {
    this.text(text, { indent, before: padded(label, LABEL_WIDTH) });
  }

  /** Adds a line that already fits. */
  line(line: string): void {
    this.#lines.push(line.trimEnd());
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

const LABEL_WIDTH = 9;
