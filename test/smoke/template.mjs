// The tsconfig that `nest new` writes, from the package that it takes it from.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.mjs';

/** Downloads one version of `@nestjs/schematics`, once; returns the folder with its templates. */
export function templatesOf(version, folder) {
  const cwd = join(folder, `schematics-${version}`);
  if (!existsSync(cwd)) {
    mkdirSync(cwd);
    run('npm', ['pack', '--silent', `@nestjs/schematics@${version}`], cwd);
    run('tar', ['xzf', readdirSync(cwd).find((file) => file.endsWith('.tgz'))], cwd);
  }
  return join(cwd, 'package/dist/lib/application/files');
}

/** Writes what a new application has for TypeScript: untouched, or with what TypeScript 6 asks of it. */
export function writeTsconfig(template, cwd, { forTypeScript6 }) {
  for (const file of ['tsconfig.json', 'tsconfig.build.json']) {
    const text = readFileSync(join(template, file), 'utf8')
      .replaceAll('<%= strict %>', 'true')
      .replaceAll('<%= specFileSuffix %>', 'spec');
    writeFileSync(join(cwd, file), forTypeScript6 ? migrated(text) : text);
  }
}

/** TypeScript 6 refuses `baseUrl`, and wants `rootDir` and `types`: it says so of an application without this library too. */
function migrated(text) {
  const { compilerOptions, ...rest } = JSON.parse(text);
  if (compilerOptions?.baseUrl === undefined) return text;
  const { baseUrl: _, ...options } = compilerOptions;
  return JSON.stringify({
    compilerOptions: { rootDir: './src', types: ['node'], ...options },
    ...rest,
  });
}
