/**
 * Question: how much does validation add to the start of an application with 2,000 providers?
 *
 * Variables: `scopeValidation: 'error'` (reads the lifetime graph and applies all rules) and `'off'` (neither). The application
 * has 100 modules of 20 providers and a worker: singletons, request-scoped and transient ones, factories. Each has three
 * dependencies, some have hooks. Each start has its own process, because an application starts cold. Baseline: `'off'`.
 */
import 'reflect-metadata';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Injectable, Module, Scope, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  inspectScopes,
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerModule,
} from 'nestjs-scoped-worker';
import { many, median, printMachine } from './support.js';

const MODULES = many(100);
const PROVIDERS = 20;
const ROUNDS = many(21);

type Strictness = 'error' | 'off';
interface Start {
  readonly startMs: number;
  /** The CPU time of the process for the start, to which busy neighbours don't add. */
  readonly cpuMs: number;
  readonly inspectMs: number;
}

/** The providers that each module exports to the next. */
const exported = new Map<Type, Type[]>();

const [, , strictness] = process.argv;
if (strictness === 'error' || strictness === 'off') await start(strictness);
else compare();

function compare(): void {
  printMachine();
  const starts: Record<Strictness, Start[]> = { error: [], off: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const each of ['error', 'off'] as const) starts[each].push(startInProcess(each));
  }
  const medianOf = (of: Strictness, what: keyof Start): number =>
    median(starts[of].map((start) => start[what]));
  const show = (what: string, on: number, off: number): void =>
    console.log(
      `${what}: ${on.toFixed(1)} ms with validation, ${off.toFixed(1)} ms without, ${(on - off).toFixed(1)} ms added`,
    );
  console.log(`${MODULES * PROVIDERS} providers, ${ROUNDS} starts of each, in turns; medians`);
  show('start', medianOf('error', 'startMs'), medianOf('off', 'startMs'));
  show('CPU time of the start', medianOf('error', 'cpuMs'), medianOf('off', 'cpuMs'));
  const first = medianOf('off', 'inspectMs');
  console.log(
    `graph, rules and inspection, when nothing had been looked at before: ${first.toFixed(1)} ms`,
  );
}

function startInProcess(strictness: Strictness): Start {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [fileURLToPath(import.meta.url), strictness],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Start;
}

async function start(scopeValidation: Strictness): Promise<void> {
  class BenchModule {}
  Module({
    imports: [ScopedWorkerModule.forRoot({ scopeValidation }), ...modules()],
  })(BenchModule);
  const startedAt = performance.now();
  const cpuAt = process.cpuUsage();
  const app = await NestFactory.createApplicationContext(BenchModule, { logger: false });
  const startMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuAt);
  const inspectedAt = performance.now();
  inspectScopes(app);
  const inspectMs = performance.now() - inspectedAt;
  console.log(
    JSON.stringify({ startMs, cpuMs: (user + system) / 1_000, inspectMs } satisfies Start),
  );
  await app.close();
}

function modules(): Type[] {
  const made: Type[] = [];
  for (let index = 0; index < MODULES; index += 1) made.push(benchModule(index, made.at(-1)));
  return made;
}

/** Creates a module that imports the previous one, and whose first providers depend on its exports. */
function benchModule(index: number, before: Type | undefined): Type {
  const classes: Type[] = [];
  const providers: Provider[] = [];
  const imported = before === undefined ? [] : exported.get(before)!;
  for (let place = 0; place < PROVIDERS - 1; place += 1) {
    const known = [...imported, ...classes];
    const dependencies = [1, 2, 5]
      .map((back) => known.at(-back))
      .filter((one) => one !== undefined);
    const made = provider(`Provider${index}x${place}`, place, dependencies);
    classes.push(made);
    providers.push(
      place % 7 === 3
        ? {
            provide: made,
            inject: dependencies,
            useFactory: (...args: never[]) => new made(...args),
          }
        : made,
    );
  }
  const worker = workerOver(`Worker${index}`, classes.slice(-3));
  class Made {}
  Object.defineProperty(Made, 'name', { value: `Module${index}` });
  Module({
    imports: before === undefined ? [] : [before],
    providers: [...providers, worker],
    exports: classes,
  })(Made);
  exported.set(
    Made,
    classes.filter((_, place) => isShared(place)),
  );
  return Made;
}

/** Chooses singletons only, so that most of the application stays singleton. */
function isShared(place: number): boolean {
  return place < 10;
}

function provider(name: string, place: number, dependencies: readonly Type[]): Type {
  class Made {
    readonly dependencies: unknown[];
    constructor(...dependencies: unknown[]) {
      this.dependencies = dependencies;
    }
  }
  Object.defineProperty(Made, 'name', { value: name });
  Reflect.defineMetadata('design:paramtypes', dependencies, Made);
  if (place === 12) Object.assign(Made.prototype, { onModuleDestroy: () => undefined });
  const scope = place === 14 ? Scope.REQUEST : place === 11 ? Scope.TRANSIENT : Scope.DEFAULT;
  Injectable({ scope })(Made);
  return Made;
}

function workerOver(name: string, dependencies: readonly Type[]): Type {
  class Made {
    readonly dependencies: unknown[];
    constructor(...dependencies: unknown[]) {
      this.dependencies = dependencies;
    }
    run(): void {}
  }
  Object.defineProperty(Made, 'name', { value: name });
  Reflect.defineMetadata('design:paramtypes', dependencies, Made);
  ScopedWorker()(Made);
  ScopedInterval(3_600_000)(
    Made.prototype,
    'run',
    Object.getOwnPropertyDescriptor(Made.prototype, 'run')!,
  );
  return Made;
}
