// Compares docs/conformance.md with the tests that carry its ids in their titles.
//   node test/conformance/conformance.mjs                    runs the suite first
//   node test/conformance/conformance.mjs --from file.json   reads the result of `jest --json`
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How the row of a behavior begins that the library doesn't have yet. */
const PLANNED = '*Planned.* ';
const root = fileURLToPath(new URL('../..', import.meta.url));
const behaviors = readBehaviors();
const planned = new Set(
  [...behaviors].filter(([, behavior]) => behavior.startsWith(PLANNED)).map(([id]) => id),
);
const from = process.argv.indexOf('--from');
const result =
  from === -1 ? runSuite() : JSON.parse(readFileSync(process.argv[from + 1] ?? '', 'utf8'));

const tests = new Map([...behaviors.keys()].map((id) => [id, []]));
const problems = [];
for (const file of result.testResults) {
  const name = file.name.replace(root, '').replace(/^.*?\/(?=test\/|sample-app\/)/, '');
  if (file.assertionResults.length === 0) problems.push(`${name} did not run: ${file.message}`);
  for (const { title, status } of file.assertionResults) {
    for (const id of idsOf(title)) {
      if (tests.has(id)) tests.get(id).push({ title, status, name });
      else
        problems.push(`${id} is not in docs/conformance.md, but in a title of ${name}: ${title}`);
    }
  }
}

for (const [id, behavior] of behaviors) {
  const passed = tests.get(id).filter(({ status }) => status === 'passed');
  const failed = tests.get(id).filter(({ status }) => status === 'failed');
  console.log(`${id.padEnd(4)} ${shorten(behavior)}`);
  for (const { title, name } of passed) console.log(`       passed  ${title}  (${name})`);
  for (const { title, name } of failed) console.log(`       FAILED  ${title}  (${name})`);

  if (failed.length > 0) problems.push(`${id} has a failing test.`);
  if (passed.length === 0 && !planned.has(id)) problems.push(`${id} has no passing test.`);
  if (passed.length > 0 && planned.has(id)) {
    problems.push(`${id} has a passing test, so it isn't planned any more: correct its row.`);
  }
}

const proven = [...tests].filter(([, list]) => list.some(({ status }) => status === 'passed'));
console.log(`\n${behaviors.size} behaviors: ${proven.length} proven, ${planned.size} planned.`);
for (const problem of problems) console.log(`- ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;

function readBehaviors() {
  const page = readFileSync(join(root, 'docs/conformance.md'), 'utf8');
  const rows = page.matchAll(/^\| ([A-Z]{1,2}\d+) \| (.*?) \|[^|]*\|$/gm);
  return new Map([...rows].map(([, id, behavior]) => [id, behavior]));
}

/** The ids in brackets that a title begins with: `[B2]`, `[XA1]`, `[B2][A4]` and `[B2, A4]`. */
function idsOf(title) {
  const [brackets] = /^(\s*\[\s*[A-Z]{1,2}\d+(\s*,\s*[A-Z]{1,2}\d+)*\s*\])*/.exec(title);
  return brackets.match(/[A-Z]+\d+/g) ?? [];
}

function shorten(text) {
  return text.length <= 90 ? text : `${text.slice(0, 87).trimEnd()}...`;
}

function runSuite() {
  const folder = mkdtempSync(join(tmpdir(), 'scoped-worker-conformance-'));
  const file = join(folder, 'result.json');
  try {
    spawnSync('npm', ['test', '--', '--json', `--outputFile=${file}`], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return JSON.parse(readFileSync(file, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
