import type { INestApplicationContext } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

type Core = typeof import('@nestjs/core');

const CORE = '@nestjs/core';

/**
 * The `@nestjs/core` of the application, which need not be the one of this library. Its classes are tokens of providers (`ModuleRef`,
 * say), and those of one copy stand for nothing in an application of another.
 */
export class NestCopy {
  /** As it is before `keepFromStarting`. */
  readonly createApplicationContext: Core['NestFactory']['createApplicationContext'];

  private constructor(
    private readonly core: Core,
    /** Where it was found; undefined when none is installed where the application is. */
    private readonly place: string | undefined,
  ) {
    const { NestFactory } = core;
    this.createApplicationContext = NestFactory.createApplicationContext.bind(NestFactory);
  }

  /**
   * From now on nothing comes of it when the application starts itself, as a `main.js` does.
   *
   * @returns what it wanted to start first; never settles when it starts nothing.
   */
  keepFromStarting(): Promise<unknown> {
    return new Promise((resolve) => {
      const start = (given: unknown): Promise<never> => {
        resolve(given);
        return new Promise(() => undefined);
      };
      Object.assign(this.core.NestFactory, {
        create: start,
        createApplicationContext: start,
        createMicroservice: start,
      });
    });
  }

  /** The copy that a file imports; that of this library when there is none. */
  static async of(file: string): Promise<NestCopy> {
    const place = resolved(file);
    const core = (await import(place === undefined ? CORE : pathToFileURL(place).href)) as Core;
    return new NestCopy(core.NestFactory === undefined ? defaultOf(core) : core, place);
  }

  /** The application as this library can look into it: it asks for classes of the copy of its own. */
  known(app: INestApplicationContext): INestApplicationContext {
    const { core } = this;
    if ((core.ModulesContainer as unknown) === ModulesContainer) return app;
    return new Proxy(app, {
      get: (target, property) => {
        if (property !== 'get') return Reflect.get(target, property) as unknown;
        return (token: unknown) =>
          target.get((token === ModulesContainer ? core.ModulesContainer : token) as never);
      },
    });
  }

  /** Why modules may not fit together, as far as it has to do with copies of Nest. */
  doubts(): string[] {
    const own = resolved(fileURLToPath(import.meta.url))!;
    if (this.place === undefined)
      return [
        `No ${CORE} is installed where the application is, so that of nestjs-scoped-worker was used (${folderOf(own)}). If the file is a bundle with a Nest of its own, inspect what the compiler makes before it is bundled.`,
      ];
    if (this.place === own) return [];
    return [
      `The application has ${CORE} ${versionOf(this.place)} (${folderOf(this.place)}), and nestjs-scoped-worker another one, ${versionOf(own)} (${folderOf(own)}): their classes stand for different providers. Let both use one copy; npm ls ${CORE} shows who installs which.`,
    ];
  }
}

function resolved(from: string): string | undefined {
  try {
    return realpathSync(createRequire(from).resolve(CORE));
  } catch {
    return undefined;
  }
}

/** What `import()` gives for CommonJS when it cannot tell the names of the exports. */
function defaultOf(core: Core): Core {
  return (core as unknown as { default: Core }).default;
}

function folderOf(place: string): string {
  return dirname(place);
}

function versionOf(place: string): string {
  const manifest = readFileSync(join(folderOf(place), 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
