// Draws docs/inspector.svg: what the inspector says of the sample application. `npm run picture` builds the sample first.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const MODULE = 'dist-sample/inspected.module.js';
const FILE = 'docs/inspector.svg';

/** What is left out, so that the picture fits on a screen. Each block is replaced by an ellipsis. */
const LEFT_OUT = [
  /^Background workers/,
  /^ {2}Report\w* in /,
  /^ {2}Deliv\w* in /,
  /^ {2}Late\w* in /,
];

const COLUMN = 7.8;
const LINE = 18;
const MARGIN = 20;

const escape = '\u001B';

/** The inspector counts from a clock that stands still: the picture changes only if the page does. */
const FROZEN_CLOCK = `
  const now = Date.UTC(2026, 11, 1);
  globalThis.Date = class extends Date {
    constructor(...parts) { parts.length > 0 ? super(...parts) : super(now); }
    static now() { return now; }
  };
`;

function inspect() {
  const { NO_COLOR: _, ...env } = process.env;
  const clock = `data:text/javascript,${encodeURIComponent(FROZEN_CLOCK)}`;
  return execFileSync(process.execPath, ['dist/inspect/cli/main.js', 'inspect', MODULE], {
    encoding: 'utf8',
    env: { ...env, TZ: 'UTC', FORCE_COLOR: '1', NODE_OPTIONS: `--import=${clock}` },
  });
}

/** A line as runs of text, each with its column and the SGR codes that apply to it. */
function runsOf(line) {
  const runs = [];
  let codes = [];
  let column = 0;
  for (const [, sgr, text] of line.matchAll(
    new RegExp(`${escape}\\[([\\d;]*)m|([^${escape}]+)`, 'g'),
  )) {
    if (sgr !== undefined) codes = sgr === '0' ? [] : [...codes, ...sgr.split(';')];
    else {
      // Wide gaps are drawn as a new position: SVG collapses spaces.
      for (const { 0: words, index } of text.matchAll(/\S+(?: \S+)*/g))
        runs.push({ words, column: column + index, codes });
      column += text.length;
    }
  }
  return runs;
}

function withoutLeftOut(lines) {
  const kept = [];
  const unseen = new Set(LEFT_OUT);
  let skippedIndent;
  for (const line of lines) {
    const text = line.replaceAll(new RegExp(`${escape}\\[[\\d;]*m`, 'g'), '');
    const indent = text.search(/\S/);
    if (skippedIndent !== undefined && (indent === -1 || indent > skippedIndent)) continue;
    const start = LEFT_OUT.find((pattern) => pattern.test(text));
    if (start !== undefined) {
      unseen.delete(start);
      if (skippedIndent === undefined) kept.push(`${' '.repeat(indent)}${escape}[2m…${escape}[0m`);
    } else if (skippedIndent !== undefined) kept.push('');
    skippedIndent = start === undefined ? undefined : indent;
    if (start === undefined) kept.push(line);
  }
  if (unseen.size > 0) throw new Error(`The page has nothing that fits ${[...unseen].join(', ')}.`);
  return kept;
}

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const rounded = (length) => String(Math.round(length * 10) / 10);

function textOf(line, row) {
  const spans = runsOf(line).map(({ words, column, codes }) => {
    const looks = codes.length > 0 ? ` class="${codes.map((code) => `s${code}`).join(' ')}"` : '';
    const width = rounded(words.length * COLUMN);
    return `<tspan x="${rounded(MARGIN + column * COLUMN)}" textLength="${width}"${looks}>${escaped(words)}</tspan>`;
  });
  return `<text y="${rounded(MARGIN + LINE * (row + 0.7))}">${spans.join('')}</text>`;
}

const page = withoutLeftOut(inspect().trimEnd().split('\n'));
const lines = [`${escape}[2m$${escape}[0m npx nestjs-scoped-worker inspect ${MODULE}`, '', ...page];
const width = Math.ceil(80 * COLUMN) + 2 * MARGIN;
const height = lines.length * LINE + 2 * MARGIN;

// A background of its own keeps the picture readable on light and on dark pages.
writeFileSync(
  FILE,
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>The inspector's page of the sample application</title>
<style>
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #e6edf3 }
.s1 { font-weight: bold } .s2 { fill: #8b949e } .s4 { text-decoration: underline }
.s31 { fill: #ff7b72 } .s32 { fill: #56d364 } .s33 { fill: #e3b341 } .s34 { fill: #79c0ff } .s35 { fill: #d2a8ff } .s36 { fill: #56d4dd }
</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
${lines
  .map((line, row) => (line === '' ? undefined : textOf(line, row)))
  .filter((text) => text !== undefined)
  .join('\n')}
</svg>
`,
);
console.log(`${FILE}: ${width} x ${height}`);
