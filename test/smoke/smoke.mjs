// Installs the packed package into small applications, as a user would, inspects each, and lets it run a tick.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'scoped-worker-smoke-'));

const esm = `
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ScopedInterval, ScopedWorker, ScopedWorkerModule } from 'nestjs-scoped-worker';
`;
const commonJs = `
require('reflect-metadata');
const { Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { ScopedInterval, ScopedWorker, ScopedWorkerModule } = require('nestjs-scoped-worker');
`;
const program = `
let ticked;
const firstTick = new Promise((resolve) => (ticked = resolve));

class Heartbeat {
  run() {
    ticked();
  }
}
const run = Object.getOwnPropertyDescriptor(Heartbeat.prototype, 'run');
ScopedInterval(50)(Heartbeat.prototype, 'run', run);
ScopedWorker()(Heartbeat);

class App {}
Module({ imports: [ScopedWorkerModule.forRoot()], providers: [Heartbeat] })(App);

async function main() {
  const late = setTimeout(() => {
    console.error('No tick within 10 seconds.');
    process.exit(1);
  }, 10_000);
  const app = await NestFactory.createApplicationContext(App, { logger: ['error', 'warn'] });
  await firstTick;
  await app.close();
  clearTimeout(late);
}
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
`;

const apps = [
  { name: 'ES modules, Nest 12', file: 'main.mjs', source: esm + program, nest: '12' },
  { name: 'CommonJS, Nest 12', file: 'main.cjs', source: commonJs + program, nest: '12' },
  { name: 'CommonJS, Nest 11', file: 'main.cjs', source: commonJs + program, nest: '11' },
];

let passed = 0;
try {
  run('npm', ['pack', '--pack-destination', folder], root);
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  for (const [index, app] of apps.entries()) {
    try {
      runApp(app, join(folder, `app-${index}`), join(folder, tarball));
      console.log(`passed: ${app.name}`);
      passed += 1;
    } catch (error) {
      console.log(`FAILED: ${app.name}\n${error.message}`);
    }
  }
} catch (error) {
  console.log(error.message);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${apps.length - passed} failed`);
process.exitCode = passed === apps.length ? 0 : 1;

function runApp({ file, source, nest }, cwd, tarball) {
  mkdirSync(cwd);
  writeFileSync(join(cwd, file), source);
  writeFileSync(
    join(cwd, 'package.json'),
    JSON.stringify({
      private: true,
      dependencies: {
        '@nestjs/common': `^${nest}.0.0`,
        '@nestjs/core': `^${nest}.0.0`,
        'nestjs-scoped-worker': `file:${tarball}`,
        'reflect-metadata': '^0.2.2',
        rxjs: '^7.8.2',
      },
    }),
  );
  run('npm', ['install', '--no-audit', '--no-fund'], cwd);
  const page = run('npx', ['nestjs-scoped-worker', 'inspect', file], cwd);
  if (!page.startsWith(`App of ${file}\n1 schedule, 1 worker,`)) throw new Error(page);
  run(process.execPath, [file], cwd);
}

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: 300_000,
    // The settings of the npm that runs this script must not reach the apps.
    env: Object.fromEntries(
      Object.entries(process.env).filter(
        ([name]) => !/^npm_(package|lifecycle)_|^NODE_OPTIONS$/.test(name),
      ),
    ),
  });
  if (status !== 0) {
    throw new Error(`${command} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error });
  }
  return stdout;
}
