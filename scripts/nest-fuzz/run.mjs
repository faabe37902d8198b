// npm run nest:fuzz -- <release...> [--applications N]: installs each release of Nest with the library into a temporary folder, and
// prints how many lifetimes of random applications it computes wrongly, and what plans build differently.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run } from '../../test/smoke/run.mjs';

const { values, positionals: releases } = parseArgs({
  allowPositionals: true,
  options: { applications: { type: 'string', default: '300' } },
});
if (releases.length === 0) {
  console.error('Name the releases of Nest: npm run nest:fuzz -- 11.0.0 12.5.1');
  process.exit(1);
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'scoped-worker-nest-fuzz-'));
const rows = [];
try {
  run('npm', ['pack', '--pack-destination', folder], root);
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  for (const release of releases) rows.push({ release, ...fuzz(release, tarball) });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

console.log(
  '| Nest | applications | start-up hangs | wrong lifetimes | wrong in the library | plans | no plan | wrong in plans | the library |',
);
console.log('|---|---|---|---|---|---|---|---|---|');
for (const row of rows) {
  const { release, applications, hung, wrongInNest, wrongInLibrary, refusal } = row;
  const { plans, unplanned, wrongInPlans } = row;
  const lifetimes = [applications, hung, wrongInNest, wrongInLibrary.length];
  const ofPlans =
    refusal === undefined ? [plans, unplanned.length, wrongInPlans.length] : ['', '', ''];
  const cells = [
    release,
    ...lifetimes,
    ...ofPlans,
    refusal === undefined ? 'starts' : 'refuses it',
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
for (const { release, ...row } of rows)
  for (const problem of problemsOf(row)) {
    console.log(`FAILED: ${release}: ${problem}`);
    process.exitCode = 1;
  }

function fuzz(release, tarball) {
  const cwd = join(folder, release);
  mkdirSync(cwd);
  const dependencies = {
    '@nestjs/common': release,
    '@nestjs/core': release,
    'nestjs-scoped-worker': `file:../${tarball}`,
    'reflect-metadata': '^0.2.2',
    rxjs: '^7.8.1',
  };
  writeFileSync(join(cwd, 'package.json'), JSON.stringify({ private: true, dependencies }));
  // 12.0.0 has a wrong peer range, which npm would refuse.
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--legacy-peer-deps'];
  run('npm', ['install', ...quiet], cwd);
  for (const file of ['compare-plan.mjs', 'judge.mjs', 'random-app.mjs'])
    copyFileSync(fileURLToPath(new URL(file, import.meta.url)), join(cwd, file));
  return JSON.parse(run(process.execPath, ['judge.mjs', values.applications], cwd));
}

/**
 * The library must know every lifetime, and refuse releases whose start-up hangs.PLACE
 */
function problemsOf({ hung, wrongInLibrary, refusal, plans, unplanned, wrongInPlans }) {
  const problems = [];
  if (wrongInLibrary.length > 0) problems.push(`wrong lifetimes of ${wrongInLibrary.join(', ')}`);
  if (refusal === undefined && plans === 0) problems.push('no provider had a plan');
  // INQUIRER, in 11.2.
  if (unplanned?.length > plans / 100) problems.push(...unplanned.map((why) => `no plan: ${why}`));
  problems.push(...wrongInPlans);
  if (hung > 0 && refusal === undefined) problems.push('start-up hangs, and is not refused');
  return problems;
}
