import type { DynamicModule, Type } from '@nestjs/common';
import type { EntityManager, Repository } from 'typeorm';
import { ScopedCron, ScopedWorker, type Tick } from '../../lib/index.js';
import {
  InjectScopedEntityManager,
  InjectScopedRepository,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import { startApp, type TestApp, type TestAppOptions } from './app.js';
import type { TestDatabase } from './postgres.js';
import { YEARLY } from './probes.js';
import { Note, typeOrmRoot } from './scoped-typeorm.js';

/** What the handler of the worker receives. */
export interface NoteScope {
  readonly manager: EntityManager;
  readonly notes: Repository<Note>;
  readonly tick: Tick;
}

export interface NoteApp extends TestApp {
  readonly worker: Type;
  /** What the next ticks do: of `work`, and of `hurry`, whose time is up after 20 ms. */
  script: (scope: NoteScope) => unknown;
}

/**
 * Starts an application with one worker, on the notes of a data source, whose handler does what the test says.
 *
 * @param start how the application is started.
 */
export async function startNoteApp<T extends TestApp = TestApp>(
  database: TestDatabase | DynamicModule,
  options: { transaction?: boolean },
  {
    start = startApp as (options: TestAppOptions) => Promise<T>,
    ...more
  }: TestAppOptions & { start?: (options: TestAppOptions) => Promise<T> } = {},
): Promise<NoteApp & T> {
  const play: { script: NoteApp['script'] } = { script: () => undefined };

  @ScopedWorker()
  class NoteWorker {
    constructor(
      @InjectScopedEntityManager() private readonly manager: EntityManager,
      @InjectScopedRepository(Note) private readonly notes: Repository<Note>,
    ) {}

    @ScopedCron(YEARLY, { name: 'work', overlap: 'allow' })
    work(tick: Tick): unknown {
      return play.script({ manager: this.manager, notes: this.notes, tick });
    }

    @ScopedCron(YEARLY, { name: 'hurry', timeoutMs: 20, overlap: 'allow' })
    hurry(tick: Tick): unknown {
      return this.work(tick);
    }
  }

  const root = 'module' in database ? database : typeOrmRoot(database);
  const test = await start({
    ...more,
    imports: [root, ScopedTypeOrmModule.forFeature([Note], options)],
    providers: [NoteWorker, ...(more.providers ?? [])],
  });
  return Object.assign(play, { ...test, worker: NoteWorker });
}
