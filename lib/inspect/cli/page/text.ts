/** Letters that terminals draw two columns wide: East Asian ones and pictures. */
const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Extended_Pictographic}/u;

/** Letters that are drawn onto the one before. */
const NARROW = /\p{Mark}|\u200D/u;

/** A blank at which no line is broken. */
export const NO_BREAK = '\u00A0';

/** How many columns a text takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const letter of text) width += columnsOf(letter);
  return width;
}

/** A text of the application as it can stand on a page: on one line, without codes that a terminal would follow. */
export function clean(text: string): string {
  return text.replaceAll(/[\p{Control}\p{Line_Separator}\p{Paragraph_Separator}]+/gu, ' ');
}

/**
 * Breaks a text at blanks into lines of at most that width; what has no blank is broken where the line ends. At a no-break space
 * nothing is broken.
 */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of clean(text).split(' ')) {
    if (word === '') continue;
    const longer = line === '' ? word : `${line} ${word}`;
    if (widthOf(longer) <= width) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (widthOf(line) > width) {
      const head = headOf(line, width);
      lines.push(head);
      line = line.slice(head.length);
    }
  }
  if (line !== '') lines.push(line);
  return lines.map((complete) => complete.replaceAll(NO_BREAK, ' '));
}

/** A name of at most that width; what is too much is left out in the middle, since names differ at their ends. */
export function fitName(name: string, width: number): string {
  const whole = clean(name);
  if (widthOf(whole) <= width) return whole;
  const head = headOf(whole, Math.ceil((width - 1) / 2));
  const backwards = Array.from(whole).reverse().join('');
  const tail = Array.from(headOf(backwards, width - 1 - widthOf(head)))
    .reverse()
    .join('');
  return `${head}…${tail}`;
}

/** A text with blanks behind it, up to that width. */
export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** `1 worker`, `2 workers`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The beginning of a text, at least one letter of it. */
function headOf(text: string, width: number): string {
  let head = '';
  let taken = 0;
  for (const letter of text) {
    taken += columnsOf(letter);
    if (head !== '' && taken > width) break;
    head += letter;
  }
  return head;
}

function columnsOf(letter: string): number {
  if (NARROW.test(letter)) return 0;
  return WIDE.test(letter) ? 2 : 1;
}
