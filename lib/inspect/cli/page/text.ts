/** Characters that terminals draw two columns wide: East Asian ones and pictographs. */
const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Extended_Pictographic}/u;

/** Characters that terminals draw on top of the previous character. */
const NARROW = /\p{Mark}|\u200D/u;

/** A space at which `wrap()` doesn't break a line. */
export const NO_BREAK = '\u00A0';

/** Returns the width of text in columns. */
export function widthOf(text: string): number {
  let width = 0;
  for (const letter of text) width += columnsOf(letter);
  return width;
}

/** Cleans text from the application for a page: the result is a single line without control characters. */
export function clean(text: string): string {
  return text.replaceAll(/[\p{Control}\p{Line_Separator}\p{Paragraph_Separator}]+/gu, ' ');
}

/** Wraps text to a maximum width. Breaks at spaces, but not at no-break spaces. Breaks a word only if it is wider than a line. */
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

/** Shortens a name in the middle to fit a maximum width, because names differ at their ends. */
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

/** Pads text with spaces to a given width. */
export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** Returns a count with its noun: `1 worker`, `2 workers`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Returns as much of the beginning of the text as fits the width, but at least one character. */
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
