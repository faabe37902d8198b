import { ModulesContainer } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { Application } from './application.js';
import type { NestModule, NestWrapper, OpenContainer } from './nest-types.js';

/** An application seen from outside, which need not have been initialised, nor have any instance. */
export class OpenedApplication extends Application {
  readonly modules: ReadonlyMap<string, NestModule>;

  constructor(private readonly app: INestApplicationContext) {
    super();
    this.modules = modulesOf(app);
  }

  /** False for anything that isn't a Nest application. */
  static canOpen(app: unknown): app is INestApplicationContext {
    try {
      return modulesOf(app as INestApplicationContext).size > 0; // a TestingModuleBuilder has none yet
    } catch {
      return false;
    }
  }

  /** The instance of a singleton that stands in some module; undefined when there is none, or it was never constructed. */
  constructed<T extends object>(type: abstract new (...args: never[]) => T): T | undefined {
    const wrapper = this.provider(type);
    // In Nest's preview mode an instance is an object that has the prototype and was not constructed.
    return wrapper === undefined || this.isPreview ? undefined : (wrapper.instance as T);
  }

  provider(token: unknown): NestWrapper | undefined {
    for (const { providers } of this.modules.values()) {
      const wrapper = providers.get(token);
      if (wrapper !== undefined) return wrapper;
    }
    return undefined;
  }

  /** `NestFactory.create(module, { preview: true })`: nothing was constructed. */
  private get isPreview(): boolean {
    const { appOptions } = this.app as { appOptions?: { preview?: boolean } };
    return appOptions?.preview === true;
  }
}

/** If possible, not the result of `app.get()`: it may be decorated, and the methods of a Map throw on a proxy. */
function modulesOf(app: INestApplicationContext): ReadonlyMap<string, NestModule> {
  const { container } = app as { container?: OpenContainer };
  const modules = container?.getModules?.() ?? app.get(ModulesContainer);
  return modules as unknown as ReadonlyMap<string, NestModule>;
}
