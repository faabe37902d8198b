/** The terminal, file or pipe to which the page is written. */
export interface Terminal {
  /** The width in columns; no line of the page is wider. */
  readonly width: number;
  readonly isColored: boolean;
}

const WIDTH = 80;
const NARROWEST = 40;
const WIDEST = 100;

/**
 * Returns the width of a terminal, within limits, and whether it shows colors. A file or a pipe has 80 columns and, by default,
 * no colors. `--no-color` takes precedence over `FORCE_COLOR`, and `FORCE_COLOR` over `NO_COLOR`, as in Node itself.
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
    isColored: color ?? environmentColors(env) ?? (isTerminal && env['TERM'] !== 'dumb'),
  };
}

function environmentColors(env: Readonly<Record<string, string | undefined>>): boolean | undefined {
  const { FORCE_COLOR, NO_COLOR } = env;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return NO_COLOR === undefined || NO_COLOR === '' ? undefined : false;
}
