// npm run nest:fuzz -- <release...> [--applications N]: installs each release of Nest with the library into a temporary folder, and
// prints how many lifetimes of random applications it computes wrongly.
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
  '| Nest | applications | start-up hangs | wrong lifetimes | wrong in the library | the library |',
);
console.log('|---|---|---|---|---|---|');
for (const { release, applications, hung, wrongInNest, wrongInLibrary, refusal } of rows)
  console.log(
    `| ${release} | ${applications} | ${hung} | ${wrongInNest} | ${wrongInLibrary.length} | ${refusal === undefined ? 'starts' : 'refuses it'} |`,
  );
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
  for (const file of ['judge.mjs', 'random-app.mjs'])
    copyFileSync(fileURLToPath(new URL(file, import.meta.url)), join(cwd, file));
  return JSON.parse(run(process.execPath, ['judge.mjs', values.applications], cwd));
}

/** The library must know every lifetime, and refuse releases whose start-up hangs. */
function problemsOf({ hung, wrongInLibrary, refusal }) {
  const problems = [];
  if (wrongInLibrary.length > 0) problems.push(`wrong lifetimes of ${wrongInLibrary.join(', ')}`);
  if (hung > 0 && refusal === undefined) problems.push('start-up hangs, and is not refused');
  return problems;
}
