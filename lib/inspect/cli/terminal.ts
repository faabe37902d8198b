import type { Lifetime } from '../../graph/lifetime-graph.js';
import type { FindingSeverity } from '../../errors/finding.js';

/** The output of the page. */
export interface Terminal {
  /** In columns; no line of the page is wider. */
  readonly width: number;
  readonly isColoured: boolean;
}

const WIDTH = 80;
const NARROWEST = 40;
const WIDEST = 100;

/**
 * Returns the width of a terminal, within limits. A file or a pipe has 80 columns and no colours. `--no-color` takes precedence
 * over `FORCE_COLOR`, and `FORCE_COLOR` over `NO_COLOR`, as in Node itself.
 */
export function terminalOf(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: Readonly<Record<string, string | undefined>>,
  color: false | undefined,
): Terminal {
  const isTerminal = stream.isTTY === true;
  const columns = (isTerminal && stream.columns) || WIDTH;
  return {
    width: Math.min(Math.max(columns, NARROWEST), WIDEST),
    isColoured: color ?? environmentColours(env) ?? (isTerminal && env['TERM'] !== 'dumb'),
  };
}

function environmentColours(
  env: Readonly<Record<string, string | undefined>>,
): boolean | undefined {
  const { FORCE_COLOR, NO_COLOR } = env;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return NO_COLOR === undefined || NO_COLOR === '' ? undefined : false;
}

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
