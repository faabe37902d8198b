// Writes what docs/findings.md takes from lib/errors/finding.ts: the table, and the heading and the first paragraph of each section.
// The page itself is the source of the rest. With --check, nothing is written: it exits with 1 if the page is stale or a section has
// no prose.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const PAGE = file('docs/findings.md');

/** Number, kind, severity and description of each finding, in the order of `FINDINGS`. */
function findingsInCode() {
  const source = readFileSync(file('lib/errors/finding.ts'), 'utf8');
  const descriptions = new Map(
    [...source.matchAll(/^ \* - `([a-z-]+)`: (.*(?:\n \* {3}.*)*)$/gm)].map(([, kind, text]) => [
      kind,
      text.replace(/\n \* {3}/g, ' '),
    ]),
  );
  const table = /export const FINDINGS = \{([^]*?)\} as const/.exec(source)[1];
  return [...table.matchAll(/'([^']+)': \{ number: '(\w+)', severity: '(\w+)' \}/g)].map(
    ([, kind, number, severity]) => {
      const text = descriptions.get(kind);
      if (text === undefined) throw new Error(`FindingKind does not describe ${kind}.`);
      if (!text.endsWith('.'))
        throw new Error(
          `The description of ${kind} in FindingKind ends early: indent each line by 3.`,
        );
      return { kind, number, severity, text: `${text[0].toUpperCase()}${text.slice(1)}` };
    },
  );
}

const page = readFileSync(PAGE, 'utf8');
const [head, ...sections] = page.split(/^## /m);
const prose = new Map(
  sections.map((section) => {
    const [heading] = section.split('\n', 1);
    return [heading.split(' ')[0], section.slice(heading.length)];
  }),
);
const withoutProse = [];

const findings = findingsInCode();
const rows = findings.map(
  ({ number, kind, severity, text }) =>
    `| [${number}](#${number.toLowerCase()}-${kind}) | \`${kind}\` | ${severity} | ${text} |`,
);
const table = ['| number | kind | severity | what it reports |', '|---|---|---|---|', ...rows];
const written = findings.map(({ number, kind, severity, text }) => {
  const own = (prose.get(number) ?? '').replace(/^\n+\*\*Severity:\*\* [^\n]*\n/, '').trim();
  if (own === '') withoutProse.push(number);
  return `## ${number} ${kind}\n\n**Severity:** ${severity}. ${text}\n\n${own}\n`;
});
const others = sections.filter((section) => !/^SW\d{3} /.test(section)).map((each) => `## ${each}`);
const fresh = [`${head.replace(/^\|[^]*/m, '')}${table.join('\n')}\n`, ...written, ...others].join(
  '\n',
);

if (withoutProse.length > 0) {
  console.error(`docs/findings.md explains nothing of ${withoutProse.join(', ')}.`);
  process.exitCode = 1;
}
if (!process.argv.includes('--check')) writeFileSync(PAGE, fresh);
else if (fresh !== page) {
  console.error('docs/findings.md is stale. Run `npm run findings`, and commit it.');
  process.exitCode = 1;
}
