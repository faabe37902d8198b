import type { Lifetime } from '../../../graph/index.js';
import type { FindingSeverity } from '../../../errors/finding.js';

/** The role of a text, which decides its colour. */
export type Look = Lifetime | FindingSeverity | 'heading' | 'name' | 'quiet' | 'fine';

/** SGR codes (ECMA-48): 1 is bold, 2 is faint, 31 and up are colours. */
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

/** Applies a look to a text, or returns it unchanged without colours. */
export type Paint = (look: Look, text: string) => string;

export function paintOf(isColoured: boolean): Paint {
  return isColoured
    ? (look, text) => `\u001B[${CODES[look]}m${text}\u001B[0m`
    : (_look, text) => text;
}
