/**
 * Question: how much does the library add to the start of an application with 2,000 providers and 500 handlers?
 *
 * Variables: `scopeValidation: 'error'` (reads the lifetime graph and applies all rules), with and without plans, and `'off'`
 * (neither). The application has 100 modules of 20 providers: singletons, request-scoped and transient ones, and factories. One
 * provider of each module is a worker with five handlers. Each provider has three dependencies, and some have hooks. Each start
 * has its own process, because an application starts cold. Baseline: the same application without the library, in which no worker
 * runs.
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

const HANDLERS = 5;

const VARIANTS = {
  'without the library': undefined,
  'without validation': { scopeValidation: 'off' },
  'with validation': { scopeValidation: 'error' },
  'with validation, without plans': { scopeValidation: 'error', resolution: 'nest' },
} as const;
type Variant = keyof typeof VARIANTS;
const BASELINE = 'without the library';

interface Start {
  readonly startMs: number;
  /** The CPU time of the process for the start, to which busy neighbors don't add. */
  readonly cpuMs: number;
  /** The graph, all rules and the inspection, for `inspectScopes()`. */
  readonly inspectMs: number;
}

/** The providers that each module exports to the next. */
const exported = new Map<Type, Type[]>();

const [, , variant] = process.argv;
if (variant !== undefined && Object.hasOwn(VARIANTS, variant)) await start(variant as Variant);
else compare();

function compare(): void {
  printMachine();
  const variants = Object.keys(VARIANTS) as Variant[];
  const starts = new Map<Variant, Start[]>(variants.map((each) => [each, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const each of variants) starts.get(each)!.push(startInProcess(each));
  }
  const medianOf = (of: Variant, what: keyof Start): number =>
    median(starts.get(of)!.map((start) => start[what]));
  console.log(
    `${MODULES * PROVIDERS} providers, ${MODULES * HANDLERS} handlers, ${ROUNDS} starts of each, in turns; medians`,
  );
  for (const each of variants) {
    const figures = (['startMs', 'cpuMs'] as const).map((what) => {
      const ratio = medianOf(each, what) / medianOf(BASELINE, what);
      return `${medianOf(each, what).toFixed(0)} ms (${ratio.toFixed(2)})`;
    });
    console.log(`${each}: ${figures[0]}, CPU time ${figures[1]}`);
  }
  console.log(`inspectScopes(): ${medianOf('without validation', 'inspectMs').toFixed(0)} ms`);
}

function startInProcess(of: Variant): Start {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [fileURLToPath(import.meta.url), of],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Start;
}

async function start(of: Variant): Promise<void> {
  const options = VARIANTS[of];
  class BenchModule {}
  Module({
    imports: [
      ...(options === undefined ? [] : [ScopedWorkerModule.forRoot(options)]),
      ...modules(),
    ],
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

function classOver(name: string, dependencies: readonly Type[]): Type {
  class Made {
    readonly dependencies: unknown[];
    constructor(...dependencies: unknown[]) {
      this.dependencies = dependencies;
    }
  }
  Object.defineProperty(Made, 'name', { value: name });
  Reflect.defineMetadata('design:paramtypes', dependencies, Made);
  return Made;
}

function provider(name: string, place: number, dependencies: readonly Type[]): Type {
  const Made = classOver(name, dependencies);
  if (place === 12) Object.assign(Made.prototype as object, { onModuleDestroy: () => undefined });
  const scope = place === 14 ? Scope.REQUEST : place === 11 ? Scope.TRANSIENT : Scope.DEFAULT;
  Injectable({ scope })(Made);
  return Made;
}

function workerOver(name: string, dependencies: readonly Type[]): Type {
  const Made = classOver(name, dependencies);
  ScopedWorker()(Made);
  for (let handler = 0; handler < HANDLERS; handler += 1) {
    const descriptor = { value: (): void => undefined, configurable: true };
    Object.defineProperty(Made.prototype as object, `run${handler}`, descriptor);
    ScopedInterval(3_600_000)(Made.prototype as object, `run${handler}`, descriptor);
  }
  return Made;
}
