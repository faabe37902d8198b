import { Global, Injectable, Module, type OnModuleInit } from '@nestjs/common';
import { jest } from '@jest/globals';
import { ScopedWorkerError, ScopedWorkerRegistry, type Engine } from '../../lib/index.js';
import { compileApp, type TestAppOptions } from './app.js';

/**
 * Starts an application that must be refused, and returns the error. Fails when anything was half started:
 * an engine, a scope, or a hook of another module.
 */
export async function refusal(metadata: TestAppOptions): Promise<ScopedWorkerError> {
  const { error, reached, names } = await refused(metadata);
  expect({ reached, names }).toEqual({ reached: [], names: [] });
  return error;
}

/** The same of an application that is refused for what its providers say: they are asked after every `onModuleInit`. */
export async function lateRefusal(metadata: TestAppOptions): Promise<ScopedWorkerError> {
  const { error, reached } = await refused(metadata);
  expect(reached).toEqual(['onModuleInit', 'onModuleInit']);
  return error;
}

async function refused({ options, ...metadata }: TestAppOptions): Promise<{
  readonly error: ScopedWorkerError;
  /** The hooks of other modules that were called, and the engine. */
  readonly reached: readonly string[];
  /** The schedules that are listed all the same. */
  readonly names: readonly string[];
}> {
  const reached: string[] = [];
  @Injectable()
  class Bystander implements OnModuleInit {
    onModuleInit(): void {
      reached.push('onModuleInit');
    }

    onApplicationBootstrap(): void {
      reached.push('onApplicationBootstrap');
    }
  }
  @Module({ providers: [Bystander] })
  class BystanderModule {}
  @Global()
  @Module({ providers: [Bystander] })
  class GlobalBystanderModule {}

  const engine: Engine = {
    name: 'watched',
    start: () => void reached.push('engine.start'),
    stop: () => undefined,
    add: () => undefined,
    replace: () => undefined,
    remove: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    nextRun: () => undefined,
  };
  const timer = jest.spyOn(globalThis, 'setTimeout');
  const test = await compileApp({
    ...metadata,
    imports: [...(metadata.imports ?? []), BystanderModule, GlobalBystanderModule],
    options: { engine, ...options },
  });
  timer.mockClear();
  const error = await test.app.init().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const timers = timer.mock.calls.length;
  timer.mockRestore();

  expect(error).toBeInstanceOf(ScopedWorkerError);
  expect(timers).toBe(0);
  const registry = test.app.get(ScopedWorkerRegistry);
  expect(registry.stats()).toMatchObject({ openedScopes: 0, runningTicks: 0 });
  const names = registry.list().map(({ name }) => name);
  return { error: error as ScopedWorkerError, reached, names };
}
