import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Global,
  Injectable,
  Module,
  type INestApplicationContext,
  type ModuleMetadata,
  type OnModuleDestroy,
  type Type,
} from '@nestjs/common';
import { LazyModuleLoader, NestFactory } from '@nestjs/core';
import {
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type ScopedWorkerModuleOptions,
} from '../../lib/index.js';
import { gate } from '../support/gate.js';
import { turns } from '../support/running-tick.js';

const apps: INestApplicationContext[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

/** A client as Prisma's documentation writes it: it disconnects in its `onModuleDestroy`. */
@Injectable()
class Database implements OnModuleDestroy {
  connected = true;

  onModuleDestroy(): void {
    this.connected = false;
  }
}

/** Shared by the worker and its test, for one test at a time. */
let begun = gate<Database>();
let ended = gate<boolean[]>();
/** Opens what the handler of a draining tick waits for. */
let finish = gate();

@ScopedWorker()
class Job {
  constructor(private readonly database: Database) {}

  @ScopedInterval(1, { overlap: 'skip' })
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    const seen = [this.database.connected];
    begun.open(this.database);
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve));
    await Promise.race([aborted, finish.opened]);
    seen.push(this.database.connected);
    await turns();
    seen.push(this.database.connected);
    ended.open(seen);
  }
}

function moduleOf(metadata: ModuleMetadata, isGlobal = false): Type {
  class AnyModule {}
  Module(metadata)(AnyModule);
  if (isGlobal) Global()(AnyModule);
  return AnyModule;
}

const database = (isGlobal = false): Type =>
  moduleOf({ providers: [Database], exports: [Database] }, isGlobal);
const deep = (inner: Type, levels: number): Type =>
  levels === 0 ? inner : deep(moduleOf({ imports: [inner], exports: [inner] }), levels - 1);

type Arrangement = (library: () => ReturnType<typeof ScopedWorkerModule.forRoot>) => Type;

/** The modules of the database, the worker and the library. */
const ARRANGEMENTS: Record<string, Arrangement> = {
  'all in the root module': (library) =>
    moduleOf({ imports: [library()], providers: [Database, Job] }),
  'the database in a global module, imported first': (library) =>
    moduleOf({ imports: [database(true), library()], providers: [Job] }),
  'the database in a global module, imported last': (library) =>
    moduleOf({ imports: [library(), moduleOf({ providers: [Job] }), database(true)] }),
  'the database in a module imported before the library': (library) =>
    moduleOf({ imports: [database(), library()], providers: [Job] }),
  'the database in a module imported after the library': (library) =>
    moduleOf({ imports: [library(), database()], providers: [Job] }),
  'the worker in a module that imports the database': (library) =>
    moduleOf({ imports: [library(), moduleOf({ imports: [database()], providers: [Job] })] }),
  'the worker in a module, the database four modules deeper': (library) =>
    moduleOf({
      imports: [moduleOf({ imports: [deep(database(), 4)], providers: [Job] }), library()],
    }),
  'the library in the module of the worker': (library) =>
    moduleOf({ imports: [moduleOf({ imports: [database(), library()], providers: [Job] })] }),
  'the library four modules deep, the database in the root module': (library) => {
    const inner = deep(moduleOf({ imports: [library()] }), 4);
    return moduleOf({ imports: [inner], providers: [Database, Job] });
  },
  'the library in the module of the database': (library) => {
    const both = moduleOf({ imports: [library()], providers: [Database], exports: [Database] });
    return moduleOf({ imports: [both], providers: [Job] });
  },
  'the library imported twice': (library) => {
    const feature = moduleOf({ imports: [library(), database()], providers: [Job] });
    return moduleOf({ imports: [library(), feature] });
  },
  'the library configured asynchronously with a global database': () => {
    const library = ScopedWorkerModule.forRootAsync({
      inject: [Database],
      useFactory: () => options,
    });
    return moduleOf({ imports: [database(true), library], providers: [Job] });
  },
};

let options: ScopedWorkerModuleOptions = {};

async function start(root: Type, kind: string): Promise<INestApplicationContext> {
  begun = gate();
  ended = gate();
  finish = gate();
  if (kind === 'application context') {
    const app = await NestFactory.createApplicationContext(root, { logger: false });
    apps.push(app);
    return app;
  }
  const app = await NestFactory.create(root, { logger: false });
  apps.push(app);
  await app.listen(0, '127.0.0.1');
  return app;
}

describe.each(['application context', 'HTTP application'])(
  'order of the shutdown of an %s',
  (kind) => {
    describe.each(['aborted', 'draining'])('when the last tick is %s', (way) => {
      it.each(Object.keys(ARRANGEMENTS))(
        '[D20] the database is still connected for it: %s',
        async (name) => {
          options = way === 'draining' ? { drainTimeoutMs: 10_000 } : {};
          const app = await start(
            ARRANGEMENTS[name]!(() => ScopedWorkerModule.forRoot(options)),
            kind,
          );
          const used = await begun.opened;
          const registry = app.get(ScopedWorkerRegistry);
          const closing = app.close();
          await turns();
          finish.open();
          await closing;
          expect(await ended.opened).toEqual([true, true, true]);
          expect(used.connected).toBe(false);
          expect(registry.stats()).toMatchObject({ openScopes: 0, runningTicks: 0 });
        },
      );
    });

    it('[D20] the database is still connected for the last tick: after a module was loaded lazily', async () => {
      options = {};
      const library = ScopedWorkerModule.forRoot();
      const root = moduleOf({ imports: [library, database(true)], providers: [Job] });
      const app = await start(root, kind);
      await app.get(LazyModuleLoader).load(() => deep(database(), 2));
      await begun.opened;
      await app.close();
      expect(await ended.opened).toEqual([true, true, true]);
    });
  },
);
