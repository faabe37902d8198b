// Installs the packed package into small applications, as a user would, compiles them with the tsconfig of `nest new` and
// several versions of TypeScript, and lets each run until its first tick.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { refused, run } from './run.mjs';
import { templatesOf, writeTsconfig } from './template.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const programs = fileURLToPath(new URL('programs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'scoped-worker-smoke-'));

const ALL = ['5.7', '5.9', '6.0', '7.0'];
const OLD_NEST = 'needs Nest 11 or 12, but this application runs an older version';

/** One folder with its installation for each. */
const apps = {
  nest10: { nest: '^10.0.0' },
  nest11: {
    nest: '^11.0.1',
    packages: { '@nestjs/schedule': '^5.0.0', '@nestjs/typeorm': '^11.0.0', typeorm: '^0.3.0' },
    programs: ['heartbeat', 'repository', 'scheduler-registry'],
  },
  // Without any of the optional packages. The types of vitest and Jest are named in the tsconfig.
  nest12: {
    nest: '^12.0.1',
    packages: { '@types/jest': '^30.0.0', vitest: '^4.1.2' },
    programs: ['heartbeat'],
  },
};

/** What `nest new` has written. TypeScript 5.7 cannot compile CommonJS with Nest 12 at all, which is ESM. */
const templates = [
  { name: 'Nest 11, commonjs', app: 'nest11', schematics: '11.0.5', files: 'ts' },
  { name: 'Nest 11, nodenext', app: 'nest11', schematics: '11', files: 'ts' },
  { name: 'Nest 12, CommonJS', app: 'nest12', schematics: '12', files: 'ts', skip: '5.7' },
  { name: 'Nest 12, ES modules', app: 'nest12', schematics: '12', files: 'ts-esm' },
];

let passed = 0;
let failed = 0;
try {
  run('npm', ['pack', '--pack-destination', folder], root);
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  installCompilers();
  check('Nest 10 is refused by npm, and at start-up', () => {
    writeApp('nest10', tarball);
    refused('ERESOLVE', 'npm', ['install', '--ignore-scripts'], join(folder, 'nest10'));
    install('nest10', ['--legacy-peer-deps']);
    const project = writeProject({ ...templates[0], app: 'nest10', programs: ['heartbeat'] });
    compile(project, '5.7');
    refused(OLD_NEST, process.execPath, ['dist/heartbeat.js'], project);
    refused(OLD_NEST, 'npx', ['nestjs-scoped-worker', 'inspect', 'dist/heartbeat.js'], project);
  });
  for (const name of ['nest11', 'nest12']) {
    check(`${name} is installed`, () => {
      writeApp(name, tarball);
      install(name);
    });
  }
  check('import and require() load one copy', () => {
    const copies = `import('nestjs-scoped-worker').then(({ ScopedWorker }) =>
      process.exit(ScopedWorker === require('nestjs-scoped-worker').ScopedWorker ? 0 : 1))`;
    run(process.execPath, ['-e', copies], join(folder, 'nest12'));
  });
  for (const template of templates) {
    for (const version of ALL.filter((each) => each !== template.skip)) {
      check(`${template.name}, TypeScript ${version}`, () => runTemplate(template, version));
    }
  }
} catch (error) {
  failed += 1;
  console.log(error.message);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function check(name, work) {
  try {
    work();
    console.log(`passed: ${name}`);
    passed += 1;
  } catch (error) {
    console.log(`FAILED: ${name}\n${error.message}`);
    failed += 1;
  }
}

function writeApp(name, tarball) {
  mkdirSync(join(folder, name));
  const { nest, packages } = apps[name];
  writePackage(join(folder, name), {
    '@nestjs/common': nest,
    '@nestjs/core': nest,
    '@types/node': '^24.0.0',
    'nestjs-scoped-worker': `file:../${tarball}`,
    'reflect-metadata': '^0.2.2',
    rxjs: '^7.8.1',
    ...packages,
  });
}

function installCompilers() {
  mkdirSync(join(folder, 'compilers'));
  const aliases = ALL.map((version) => [`typescript-${version}`, `npm:typescript@~${version}.0`]);
  writePackage(join(folder, 'compilers'), Object.fromEntries(aliases));
  install('compilers');
}

function writePackage(cwd, dependencies) {
  writeFileSync(join(cwd, 'package.json'), JSON.stringify({ private: true, dependencies }));
}

function install(name, options = []) {
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts'];
  run('npm', ['install', ...quiet, ...options], join(folder, name));
}

function runTemplate(template, version) {
  const project = writeProject(template, { forTypeScript6: Number(version) >= 6 });
  compile(project, version);
  run(process.execPath, ['dist/heartbeat.js'], project);
  if (version !== ALL.at(-1)) return; // the rest does not depend on the compiler
  for (const program of apps[template.app].programs) {
    run(process.execPath, [`dist/${program}.js`], project);
  }
  const page = run('npx', ['nestjs-scoped-worker', 'inspect', 'dist/heartbeat.js'], project);
  if (!page.startsWith('AppModule of dist/heartbeat.js\n1 schedule, 1 worker,'))
    throw new Error(page);
}

/** A folder inside of an app, which finds what that one has installed. */
function writeProject(template, options = { forTypeScript6: false }) {
  const { app, schematics, files } = template;
  const project = join(folder, app, 'project');
  rmSync(project, { recursive: true, force: true });
  mkdirSync(join(project, 'src'), { recursive: true });
  for (const program of template.programs ?? apps[app].programs)
    cpSync(join(programs, `${program}.ts`), join(project, 'src', `${program}.ts`));
  cpSync(join(programs, 'within-ten-seconds.ts'), join(project, 'src/within-ten-seconds.ts'));
  const type = files === 'ts-esm' ? 'module' : 'commonjs';
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type }));
  writeTsconfig(join(templatesOf(schematics, folder), files), project, options);
  return project;
}

function compile(project, version) {
  const compiler = join(folder, `compilers/node_modules/typescript-${version}/bin/tsc`);
  run(process.execPath, [compiler, '-p', 'tsconfig.build.json'], project);
}
