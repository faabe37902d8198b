import { ModuleRef, ModulesContainer } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { Application } from './application.js';
import type { NestModule, NestWrapper, OpenContainer } from './nest-types.js';
import { refuseEarlyLifetimes } from './supported-nest.js';

/** Reads an application from outside, even if it isn't initialized and has no instances. */
export class OpenedApplication extends Application {
  readonly modules: ReadonlyMap<string, NestModule>;

  /** @throws {UnsupportedNestError} for Nest 11.1.20 to 11.1.23. */
  constructor(private readonly app: INestApplicationContext) {
    super();
    this.modules = modulesOf(app);
    const { injector } = app as { injector?: object };
    const wrapper = this.provider(ModuleRef); // each module has one
    if (injector !== undefined && wrapper !== undefined) refuseEarlyLifetimes(injector, wrapper);
  }

  /** Returns false for anything that isn't a Nest application. */
  static canOpen(app: unknown): app is INestApplicationContext {
    try {
      return modulesOf(app as INestApplicationContext).size > 0; // a TestingModuleBuilder has none yet
    } catch {
      return false;
    }
  }

  /** Returns the instance of a singleton in any module; undefined if no module has it or Nest never constructed it. */
  constructed<T extends object>(type: abstract new (...args: never[]) => T): T | undefined {
    const wrapper = this.provider(type);
    // In Nest's preview mode, an instance has only the prototype and was never constructed.
    return wrapper === undefined || this.isPreview ? undefined : (wrapper.instance as T);
  }

  private provider(token: unknown): NestWrapper | undefined {
    for (const { providers } of this.modules.values()) {
      const wrapper = providers.get(token);
      if (wrapper !== undefined) return wrapper;
    }
    return undefined;
  }

  /** True for `NestFactory.create(module, { preview: true })`, which doesn't construct anything. */
  private get isPreview(): boolean {
    const { appOptions } = this.app as { appOptions?: { preview?: boolean } };
    return appOptions?.preview === true;
  }
}

/** Returns the modules, from the container if possible: the result of `app.get()` may be a proxy, on which Map methods throw. */
function modulesOf(app: INestApplicationContext): ReadonlyMap<string, NestModule> {
  const { container } = app as { container?: OpenContainer };
  const modules = container?.getModules?.() ?? app.get(ModulesContainer);
  return modules as unknown as ReadonlyMap<string, NestModule>;
}
