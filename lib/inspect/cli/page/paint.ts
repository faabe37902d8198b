import type { Lifetime } from '../../../graph/index.js';
import type { FindingSeverity } from '../../../errors/finding.js';

/** What a piece of text is; each has a look of its own. */
export type Look = Lifetime | FindingSeverity | 'heading' | 'name' | 'quiet' | 'fine';

/** The codes of SGR (ECMA-48): 1 bold, 2 faint, 31 and so on colours. */
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

/** Gives a text its look, or leaves it as it is where there are no colours. */
export type Paint = (look: Look, text: string) => string;

export function paintOf(isColoured: boolean): Paint {
  return isColoured
    ? (look, text) => `\u001B[${CODES[look]}m${text}\u001B[0m`
    : (_look, text) => text;
}
