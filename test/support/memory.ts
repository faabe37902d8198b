import type { TestingModuleBuilder } from '@nestjs/testing';
import type { MemoryCheck, MemoryCrossing, MemoryOptions, MemorySample } from '../../lib/index.js';
import { MIB, memorySample, MemorySource } from '../../lib/memory/process-memory.js';
import { startApp, type TestApp, type TestAppOptions } from './app.js';

/** Memory that a test sets, in MiB; nothing else uses or frees any. */
export class FakeMemory extends MemorySource {
  rssMb = 100;
  heapMb = 50;
  heapLimitMb = 1_000;
  limitMb = 2_000;
  /** What ticks have left in the heap. */
  leftBytes = 0;
  /** How much of that is garbage by now, which only a full collection finds. */
  replacedBytes = 0;
  floors = 0;
  /** How often all garbage was collected. */
  fullCollections = 0;
  /** False for a heap whose full collection would take too long. */
  canCollectAll = true;
  isCollected = false;
  /** How often `watchCollections` is under way. */
  watches = 0;
  canCollect = true;
  error: Error | undefined;
  #collections = 0;

  sample(): MemorySample {
    if (this.error !== undefined) throw this.error;
    return memorySample({
      rssBytes: this.rssMb * MIB,
      heapUsedBytes: this.heapMb * MIB,
      heapLimitBytes: this.heapLimitMb * MIB,
      limitBytes: this.limitMb * MIB,
    });
  }

  floorBytes(): number | undefined {
    this.floors += 1;
    return this.canCollect ? this.heapMb * MIB + this.leftBytes : undefined;
  }

  liveBytes(): number | undefined {
    if (!this.canCollectAll) return undefined;
    this.fullCollections += 1;
    this.leftBytes -= this.replacedBytes;
    this.replacedBytes = 0;
    return this.heapMb * MIB + this.leftBytes;
  }

  wasCollected(): boolean {
    const was = this.isCollected;
    this.isCollected = false;
    if (was) this.#collections += 1;
    return was;
  }

  watchCollections(): () => boolean {
    const before = this.#collections;
    this.watches += 1;
    return () => {
      this.watches -= 1;
      return this.#collections > before || this.isCollected;
    };
  }
}

export interface MemoryApp extends TestApp {
  readonly memory: FakeMemory;
  /** The reports of the watch, in their order: `name option`. */
  readonly told: string[];
  readonly checks: MemoryCheck[];
  readonly crossings: MemoryCrossing[];
}

/** An application with a memory watch on memory that the test sets. */
export async function memoryApp(
  options: MemoryOptions | undefined,
  {
    build,
    memory = new FakeMemory(),
    ...more
  }: Omit<TestAppOptions, 'options'> & { readonly memory?: FakeMemory } = {},
): Promise<MemoryApp> {
  const test = await startApp({
    ...more,
    options: { ...(options && { memory: options }) },
    build: (builder: TestingModuleBuilder) => {
      const replaced = builder.overrideProvider(MemorySource).useValue(memory);
      return build?.(replaced) ?? replaced;
    },
  });
  const told: string[] = [];
  const checks: MemoryCheck[] = [];
  const crossings: MemoryCrossing[] = [];
  test.events.on('memory:sampled', (check) => checks.push(check));
  for (const name of ['warning', 'recovered', 'stopping'] as const)
    test.events.on(`memory:${name}`, (crossing) => {
      told.push(`${name} ${crossing.threshold.option}`);
      crossings.push(crossing);
    });
  return { ...test, memory, told, checks, crossings };
}
