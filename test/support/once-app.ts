import type { DynamicModule, Type } from '@nestjs/common';
import type { Repository } from 'typeorm';
import {
  ScopedConsumer,
  ScopedCron,
  ScopedWorker,
  type Engine,
  type EngineHost,
  type EngineSchedule,
  type HandlerOptions,
  type Tick,
  type TickReport,
} from '../../lib/index.js';
import { InjectScopedRepository, ScopedTypeOrmModule } from '../../lib/typeorm/index.js';
import { startApp, type TestApp, type TestAppOptions } from './app.js';
import { SOURCE } from './consumers.js';
import { YEARLY } from './probes.js';
import { Note } from './scoped-typeorm.js';

/** An engine whose slots the test fires, as an engine for several replicas would. */
class HandEngine implements Engine {
  readonly name = 'hand';
  #schedules: readonly EngineSchedule[] = [];
  #host: EngineHost | undefined;

  start(schedules: readonly EngineSchedule[], host: EngineHost): void {
    this.#schedules = schedules;
    this.#host = host;
  }

  fire(name: string, scheduledAt: Date): Promise<void> {
    const schedule = this.#schedules.find((each) => each.name === name)!;
    return this.#host!.fire({ schedule, scheduledAt, trigger: 'cron' });
  }

  stop = (): void => undefined;
  add = (): void => undefined;
  replace = (): void => undefined;
  remove = (): void => undefined;
  pause = (): void => undefined;
  resume = (): void => undefined;
  nextRun = (): undefined => undefined;
}

export type NoteHandler = (notes: Repository<Note>, tick: Tick<never>) => unknown;

/** One replica of an application whose schedule `work` and consumer `messages` write notes, with the option `once`. */
export interface Replica extends TestApp {
  /** The slots and messages that reached the handler. */
  readonly handled: string[];
  readonly started: string[];
  readonly finished: TickReport[];
  readonly skipped: TickReport[];
  /** Fires a slot; resolves when it has ended. */
  fire(scheduledAt?: Date): Promise<void>;
}

export const SLOT = new Date('2026-03-01T12:00:00Z');

/** Starts a replica. Its handler adds a note with the time of the slot or the payload of the message, and does what the test says. */
export async function startReplica(
  root: DynamicModule,
  handler: NoteHandler = () => undefined,
  {
    work = {},
    isConsumer = false,
    forFeature = { transaction: true },
    ...more
  }: TestAppOptions & {
    work?: HandlerOptions;
    isConsumer?: boolean;
    forFeature?: Parameters<typeof ScopedTypeOrmModule.forFeature>[1];
  } = {},
): Promise<Replica> {
  const handled: string[] = [];
  const run = async (notes: Repository<Note>, tick: Tick<never>, text: string): Promise<void> => {
    handled.push(text);
    await notes.insert({ text });
    await handler(notes, tick);
  };

  @ScopedWorker()
  class OnceWorker {
    constructor(@InjectScopedRepository(Note) private readonly notes: Repository<Note>) {}

    @ScopedCron(YEARLY, { name: 'work', once: true, overlap: 'allow', ...work })
    work(tick: Tick<never>): Promise<void> {
      const item = tick.payload === undefined ? '' : ` ${String(tick.payload)}`;
      return run(this.notes, tick, `${tick.scheduledAt.toISOString()}${item}`);
    }
  }

  @ScopedWorker()
  class OnceConsumer {
    constructor(@InjectScopedRepository(Note) private readonly notes: Repository<Note>) {}

    @ScopedConsumer(SOURCE, { name: 'messages', once: true })
    handle(tick: Tick<never>): Promise<void> {
      return run(this.notes, tick, String(tick.payload));
    }
  }

  const engine = new HandEngine();
  const test = await startApp({
    ...more,
    options: { engine, ...more.options },
    imports: [root, ScopedTypeOrmModule.forFeature([Note], forFeature), ...(more.imports ?? [])],
    providers: [
      OnceWorker as Type,
      ...(isConsumer ? [OnceConsumer] : []),
      ...(more.providers ?? []),
    ],
  });
  const started: string[] = [];
  const finished: TickReport[] = [];
  const skipped: TickReport[] = [];
  test.events.on('tick:started', ({ id }) => started.push(id));
  test.events.on('tick:finished', (report) => finished.push(report));
  test.events.on('tick:skipped', (report) => skipped.push(report));
  const fire = (scheduledAt = SLOT): Promise<void> => engine.fire('work', scheduledAt);
  return { ...test, handled, started, finished, skipped, fire };
}
