// Lists the habits of wording that the project replaces, wherever its readers meet them: in the documentation, in the comments,
// docstrings and texts of the library, and in the titles and comments of the tests. Exits with 1 if one is left that scripts/prose-allow.json does not allow.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** The habit, and what to write instead. */
const HABITS = [
  [
    /\b(?:am|is|are|was|were|be|been|being|gets?|and|or) told\b|\btells?\b|\btold\b/i,
    'is reported, emits, receives, says',
  ],
  [/\bstands?\b(?! for\b)|\bstanding\b/i, 'is, appears'],
  [/\bbears?\b(?! in mind)/i, 'has; must be idempotent'],
  [/\banew\b/i, 'again, or new'],
  [
    /\bof (?:its|their|his|her|your|our|my|one's) own\b|\bnone's own\b/i,
    'its own; no scope owns it',
  ],
  [/\bmeant so\b/i, 'intentional'],
  [/\b(?:is|are) none\b|\bis none that\b/i, "isn't one; cannot be allowed"],
  [
    /(?<!\bthere )\b(?:is|are|was) no (?!longer|more\b|one\b|such\b|need\b|way\b|reason\b|other\b|further\b|limit\b|guarantee\b|difference\b)[a-z]+/i,
    "isn't a ...",
  ],
  [/\bmade up for\b|\bmak(?:es?|ing) up for\b/i, 'is caught up, catch-up runs'],
  [/\bgives?\b|\bgave\b|\b(?:is|are|was|were|be|been) given\b/i, 'returns, receives, passes'],
  [/\bwhoever\b|\bwhatever\b/i, 'name the subject'],
  [/\ba mark that nobody reads\b/i, 'the decorator has no effect'],
  [/\bon the way (?:down|up)\b|\bthe way of a\b/i, 'on start-up, on shutdown, the life of a tick'],
  [/\b(?:comes?|came) (?:before|after)\b/i, 'runs before, runs after'],
  [/\bhand(?:s|ed|ing)? (?:on|out)\b|\blends?\b|\blent\b/i, 'propagates, exposes, shares'],
  [/\bit holds that\b|\bholds? (?:for|good|all the same)\b/i, 'applies, is true'],
  [/\bin silence\b/i, 'silently'],
  [/\bhow (?:often|many)\b[^.?]{0,40}\bat most\b/i, 'the maximum number of'],
  [
    /\bthe end of (?:a|the|its|each|every) (?:tick|scope|attempt)s?\b|\bat its end\b/i,
    'when a tick finishes, when a scope closes',
  ],
];

const { allowed } = JSON.parse(readFileSync('scripts/prose-allow.json', 'utf8'));

const files = execFileSync('git', ['ls-files', '*.md', 'lib', 'sample-app/**/*.ts', 'test'], {
  encoding: 'utf8',
})
  .trim()
  .split('\n')
  .filter(
    (file) =>
      /\.(md|ts)$/.test(file) &&
      !/(^|\/)(conformance\.md|node_modules)\b/.test(file) &&
      existsSync(file),
  );

const CODE = /`[^`\n]*`/g;
/** A comment, or the text of a string or a template. */
const TEXTS =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g;

/** What precedes the title of a test or of a group of tests, also behind the table of `it.each()`, or the first text of a row there. */
const BEFORE_TITLE = /(?:(?:\b(?:it|test|describe)(?:\.\w+)*|\))\(|\n\s*\[)\s*$/;

/** Blanks out what isn't prose, and keeps every line in its place. */
function proseOf(file, text) {
  const blank = (part) => part.replace(/[^\n]/g, ' ');
  if (file.endsWith('.md')) {
    let inBlock = false;
    return text
      .split('\n')
      .map((line) => {
        if (/^\s*```/.test(line)) inBlock = !inBlock;
        if (inBlock) return /\/\/ .*/.exec(line)?.[0] ?? '';
        return line.replace(CODE, blank).replace(/\]\([^)]*\)/g, blank);
      })
      .join('\n');
  }
  let prose = '';
  let at = 0;
  for (const { 0: found, index } of text.matchAll(TEXTS)) {
    prose += blank(text.slice(at, index));
    const isText = /^['"`]/.test(found);
    const isRead = !isText || !file.startsWith('test/') || BEFORE_TITLE.test(text.slice(0, index));
    const isProse = isRead && (!isText || /[a-z] [a-z]/i.test(found));
    prose += !isProse
      ? blank(found)
      : isText
        ? found.replace(/\$\{[^}]*\}/g, blank)
        : found.replace(CODE, blank);
    at = index + found.length;
  }
  return prose + blank(text.slice(at));
}

const found = [];
const used = new Set();
for (const file of files) {
  const lines = proseOf(file, readFileSync(file, 'utf8')).split('\n');
  for (const [index, line] of lines.entries()) {
    for (const [habit, instead] of HABITS) {
      const match = habit.exec(line);
      if (match === null) continue;
      const allowance = allowed.find(
        (entry) => (entry.file === undefined || entry.file === file) && line.includes(entry.text),
      );
      if (allowance === undefined) found.push({ file, line: index + 1, text: match[0], instead });
      else used.add(allowance);
    }
  }
}

const unused = allowed.filter((entry) => !used.has(entry));
for (const { file, line, text, instead } of found)
  console.log(`${file}:${line}: "${text}" (write: ${instead})`);
for (const { text } of unused)
  console.log(`scripts/prose-allow.json: nothing has "${text}" any more`);
console.log(`${found.length} habits left in ${files.length} files, ${allowed.length} allowed`);
if (found.length + unused.length > 0) process.exitCode = 1;
