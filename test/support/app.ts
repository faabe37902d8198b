import { afterEach, beforeEach, jest } from '@jest/globals';
import {
  Module,
  type INestApplicationContext,
  type LoggerService,
  type ModuleMetadata,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test, type TestingModule, type TestingModuleBuilder } from '@nestjs/testing';
import {
  ProviderScopeFactory,
  ScopedWorkerEvents,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type ScopedWorkerEventMap,
  type ScopedWorkerModuleOptions,
} from '../../lib/index.js';
import { useFakeClock } from './fake-clock.js';

/** Collects what Nest's logger receives; printed only when a test asks for it. */
export class RecordingLogger implements LoggerService {
  readonly entries: { level: string; message: string }[] = [];

  log = (message: unknown): void => this.add('log', message);
  error = (message: unknown): void => this.add('error', message);
  warn = (message: unknown): void => this.add('warn', message);
  debug = (message: unknown): void => this.add('debug', message);
  verbose = (message: unknown): void => this.add('verbose', message);
  fatal = (message: unknown): void => this.add('fatal', message);

  of(level: string): string[] {
    return this.entries.filter((entry) => entry.level === level).map((entry) => entry.message);
  }

  private add(level: string, message: unknown): void {
    this.entries.push({ level, message: String(message) });
  }
}

/** A started application with the services that tests ask for. */
export interface TestApp {
  readonly app: TestingModule;
  readonly registry: ScopedWorkerRegistry;
  readonly events: ScopedWorkerEvents;
  readonly scopes: ProviderScopeFactory;
  readonly log: RecordingLogger;
  /** The next event of a name. */
  next<E extends keyof ScopedWorkerEventMap>(event: E): Promise<ScopedWorkerEventMap[E]>;
}

/** What `instrument` of `NestFactory.create()` takes; Nest has it from 11.1 on. */
export type InstanceDecorator = (instance: unknown) => unknown;

export interface TestAppOptions extends ModuleMetadata {
  readonly options?: ScopedWorkerModuleOptions;
  /** Decorates every instance that Nest makes; `build` has no effect then. */
  readonly instanceDecorator?: InstanceDecorator;
  /** Changes the builder: `overrideProvider` and the like. */
  readonly build?: (builder: TestingModuleBuilder) => TestingModuleBuilder;
}

const started = new Set<INestApplicationContext>();

/** Applications whose start-up was refused, each with its error. */
const refused = new WeakMap<INestApplicationContext, unknown>();

let decoratorOfAll: InstanceDecorator | undefined;

/** From here on every application of the test file is built with this decorator. */
export function decorateAll(instanceDecorator: InstanceDecorator): void {
  decoratorOfAll = instanceDecorator;
}

/** Builds an application with the module in it; not initialized. */
export async function compileApp({
  options,
  build,
  instanceDecorator = decoratorOfAll,
  ...given
}: TestAppOptions): Promise<TestApp> {
  const log = new RecordingLogger();
  const imports = [ScopedWorkerModule.forRoot(options), ...(given.imports ?? [])];
  const metadata = { ...given, imports };
  const builder = Test.createTestingModule(metadata).setLogger(log);
  const app =
    instanceDecorator === undefined
      ? await (build?.(builder) ?? builder).compile()
      : await createDecorated(metadata, instanceDecorator, log);
  started.add(app);
  rememberRefusal(app);
  const events = app.get(ScopedWorkerEvents);
  return {
    app,
    events,
    registry: app.get(ScopedWorkerRegistry),
    scopes: app.get(ProviderScopeFactory),
    log,
    next: (event) => new Promise((resolve) => events.once(event, resolve)),
  };
}

/** Testing modules take no `instrument`: only `NestFactory` does. */
async function createDecorated(
  metadata: ModuleMetadata,
  instanceDecorator: InstanceDecorator,
  logger: LoggerService,
): Promise<TestingModule> {
  class DecoratedRootModule {}
  Module(metadata)(DecoratedRootModule);
  const app = await NestFactory.create(DecoratedRootModule, {
    logger,
    abortOnError: false,
    instrument: { instanceDecorator },
  });
  return app as unknown as TestingModule;
}

/** Builds and initializes an application; `closeApps` closes it. */
export async function startApp(options: TestAppOptions): Promise<TestApp> {
  const test = await compileApp(options);
  await test.app.init();
  return test;
}

/**
 * For `afterEach`: closes what the test left running, and fails when a scope or a tick is still open after that.
 */
export async function closeApps(): Promise<void> {
  const apps = [...started];
  started.clear();
  for (const app of apps) {
    await app.close().catch((error: unknown) => {
      // On Nest 11 `close()` rejects with the error of `init()`.
      if (!refused.has(app) || error !== refused.get(app)) throw error;
    });
    const { openScopes, runningTicks } = app.get(ScopedWorkerRegistry).stats();
    if (openScopes > 0 || runningTicks > 0) {
      throw new Error(`The test left ${openScopes} scopes and ${runningTicks} ticks open.`);
    }
  }
}

/** Installs a fake clock for each test; after it, closes its applications before the clock is real again. */
export function appsOnFakeClock(now?: Date): void {
  beforeEach(() => useFakeClock(now));
  afterEach(async () => {
    await closeApps();
    jest.useRealTimers();
  });
}

function rememberRefusal(app: INestApplicationContext): void {
  const init = app.init.bind(app);
  app.init = async () => {
    try {
      return await init();
    } catch (error) {
      refused.set(app, error);
      throw error;
    }
  };
}
