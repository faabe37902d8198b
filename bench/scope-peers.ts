/**
 * Question: what does a scope cost, from opening to disposal, compared with the scopes of other containers?
 *
 * Variables: graphs of 1, 6, 20 and 60 request-scoped providers, of which none or all have a synchronous disposer. Baselines: the same
 * scope resolved by Nest, `ModuleRef.resolve` (disposes nothing), awilix, tsyringe, inversify (its request scope disposes nothing),
 * `new` with a call to each disposer, and the same inside the calls of this library's API, which is the least that a scope can cost. All in one
 * process, in turns; medians of the rounds.
 */
import 'reflect-metadata';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Module } from '@nestjs/common';
import { ContextIdFactory, ModuleRef, NestFactory } from '@nestjs/core';
import { asFunction, createContainer } from 'awilix';
import { Container, inject, injectable } from 'inversify';
import { ProviderScopeFactory, ScopedWorkerModule } from 'nestjs-scoped-worker';
import { container, injectable as tsyringeInjectable, Lifecycle } from 'tsyringe';
import { providerGraph, type ProviderGraph } from './provider-graph.js';
import { many, median, printMachine, timeBatch } from './support.js';

const ROUNDS = many(31);

type Work = () => unknown;
interface Contender {
  readonly work: Work;
  close?(): Promise<void>;
}

const CONTENDERS: Readonly<
  Record<string, (graph: ProviderGraph) => Contender | Promise<Contender>>
> = {
  compiled: (graph) => scoped(graph, 'compiled'),
  'by Nest': (graph) => scoped(graph, 'nest'),
  'Nest resolve': nestResolve,
  awilix: awilixScope,
  tsyringe: tsyringeChild,
  inversify: inversifyRequest,
  new: plain,
  'bare calls': bareCalls,
};

printMachine();
for (const disposable of [0, 1]) {
  console.log(
    `\n${disposable === 0 ? 'no' : 'every'} provider has a disposer; microseconds per scope`,
  );
  console.log(['providers', ...Object.keys(CONTENDERS)].map((name) => name.padStart(13)).join(''));
  for (const size of [1, 6, 20, 60]) {
    const contenders: Contender[] = [];
    for (const make of Object.values(CONTENDERS))
      contenders.push(await make(providerGraph(size, disposable)));
    const times = contenders.map((): number[] => []);
    const calls = Math.ceil(6_000 / size);
    for (let round = -3; round < ROUNDS; round += 1)
      for (const [at, { work }] of contenders.entries()) {
        const us = await timeBatch(calls, work);
        if (round >= 0) times[at]!.push(us); // the first rounds warm up
      }
    const cells = times.map((each) => median(each).toFixed(2));
    console.log([String(size), ...cells].map((cell) => cell.padStart(13)).join(''));
    for (const { close } of contenders) await close?.();
  }
}

async function scoped(graph: ProviderGraph, resolution: 'compiled' | 'nest'): Promise<Contender> {
  class BenchModule {}
  Module({
    imports: [ScopedWorkerModule.forRoot({ resolution })],
    providers: graph.providers,
  })(BenchModule);
  const app = await NestFactory.createApplicationContext(BenchModule, { logger: false });
  const scopes = app.get(ProviderScopeFactory);
  return {
    work: async () => {
      const scope = await scopes.open();
      await scope.resolve(graph.root);
      await scope.complete();
    },
    close: () => app.close(),
  };
}

async function nestResolve(graph: ProviderGraph): Promise<Contender> {
  class BenchModule {}
  Module({ providers: graph.providers })(BenchModule);
  const app = await NestFactory.createApplicationContext(BenchModule, { logger: false });
  const moduleRef = app.select(BenchModule).get(ModuleRef, { strict: true });
  return {
    work: () => moduleRef.resolve(graph.root, ContextIdFactory.create(), { strict: false }),
    close: () => app.close(),
  };
}

function awilixScope({ classes, dependencies }: ProviderGraph): Contender {
  const root = createContainer();
  for (const [index, Type] of classes.entries()) {
    const names = dependencies[index]!.map((each) => `node${each}`);
    const make = (cradle: Record<string, object>): object =>
      new Type(...names.map((name) => cradle[name]));
    const dispose = disposerOf(Type);
    const registration = asFunction(make).scoped();
    root.register(`node${index}`, dispose ? registration.disposer(dispose) : registration);
  }
  return {
    work: async () => {
      const scope = root.createScope();
      scope.resolve('node0');
      await scope.dispose();
    },
  };
}

function tsyringeChild({ classes }: ProviderGraph): Contender {
  const root = container.createChildContainer();
  for (const Type of classes) {
    const dispose = disposerOf(Type);
    if (dispose) Object.assign(Type.prototype, { dispose });
    tsyringeInjectable()(Type);
    root.register(Type, { useClass: Type }, { lifecycle: Lifecycle.ContainerScoped });
  }
  return {
    work: async () => {
      const scope = root.createChildContainer();
      scope.resolve(classes[0]!);
      await scope.dispose();
    },
  };
}

function inversifyRequest({ classes, dependencies }: ProviderGraph): Contender {
  const root = new Container();
  for (const [index, Type] of classes.entries()) {
    for (const [at, dependency] of dependencies[index]!.entries())
      inject(classes[dependency]!)(Type, undefined, at);
    injectable()(Type);
    root.bind(Type).toSelf().inRequestScope();
  }
  return { work: () => root.get(classes[0]!) };
}

function plain(graph: ProviderGraph): Contender {
  const disposers = graph.classes.flatMap((Type) => disposerOf(Type) ?? []);
  return {
    work: () => {
      const root = graph.construct();
      for (const dispose of disposers) dispose(root);
      return root;
    },
  };
}

/** Awaits `open`, `resolve` and `complete`, the last of which enters an `AsyncLocalStorage`, and does nothing else. */
function bareCalls(graph: ProviderGraph): Contender {
  const { work } = plain(graph);
  const storage = new AsyncLocalStorage();
  const open = async (): Promise<object> => ({});
  const resolve = (): Promise<unknown> => Promise.resolve().then(work);
  const complete = async (scope: object): Promise<void> => storage.run(scope, async () => {});
  return {
    work: async () => {
      const scope = await open();
      await resolve();
      await complete(scope);
    },
  };
}

function disposerOf({ prototype }: { readonly prototype: unknown }) {
  return (prototype as { onModuleDestroy?: (instance: object) => void }).onModuleDestroy;
}
