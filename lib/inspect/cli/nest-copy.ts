import type { INestApplicationContext } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

type Core = typeof import('@nestjs/core');

const CORE = '@nestjs/core';

/**
 * Loads the `@nestjs/core` of the application, which may be a different copy from the one that this library imports. The
 * application has providers for classes from its own copy, such as `ModuleRef`, but not for those from another copy.
 */
export class NestCopy {
  /** The original function, before `keepFromStarting()` replaces it. */
  readonly createApplicationContext: Core['NestFactory']['createApplicationContext'];

  private constructor(
    private readonly core: Core,
    /** The file of the application's copy; undefined if the application has none installed. */
    private readonly place: string | undefined,
  ) {
    const { NestFactory } = core;
    this.createApplicationContext = NestFactory.createApplicationContext.bind(NestFactory);
  }

  /**
   * Prevents the application from starting itself, as a `main.js` does. Also prevents packages from making Nest initialize modules
   * in preview mode: the modules of `@nestjs/graphql` would call factories with null, and write a schema file.
   *
   * @returns the first module that the application tries to start; the promise never settles if the application doesn't start any.
   */
  keepFromStarting(): Promise<unknown> {
    const { InitializeOnPreviewAllowlist: allowlist } = this.core;
    const add = allowlist.add.bind(allowlist);
    allowlist.add = (type) => void (type.name === 'InternalCoreModule' && add(type)); // Nest's own
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

  /** Returns the copy that a file imports, or else the copy that this library imports. */
  static async of(file: string): Promise<NestCopy> {
    const place = resolved(file);
    const core = (await import(place === undefined ? CORE : pathToFileURL(place).href)) as Core;
    // A CommonJS module whose named exports Node can't detect has only a default export.
    const named =
      core.NestFactory === undefined ? (core as unknown as { default: Core }).default : core;
    return new NestCopy(named, place);
  }

  /** Returns the application, if necessary as a proxy that accepts this library's copy of `ModulesContainer` as a token. */
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

  /** Returns a note if the copies of Nest may be the reason why modules can't be resolved. */
  doubts(): string[] {
    const own = resolved(fileURLToPath(import.meta.url))!;
    if (this.place === undefined)
      return [
        `The application has no ${CORE} installed, so the inspector used the copy that nestjs-scoped-worker resolves (${dirname(own)}). If the file is a bundle that contains Nest, inspect the compiled files before they are bundled.`,
      ];
    if (this.place === own) return [];
    return [
      `The application uses ${CORE} ${versionOf(this.place)} (${dirname(this.place)}), but nestjs-scoped-worker uses ${versionOf(own)} (${dirname(own)}). Nest treats the classes of the two copies as different providers. Install one copy for both. Run npm ls ${CORE} to see which packages install them.`,
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

function versionOf(place: string): string {
  const manifest = readFileSync(join(dirname(place), 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
