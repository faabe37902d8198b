import { afterAll, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Module, Scope } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { Column, Entity, PrimaryGeneratedColumn, type DataSource, type Repository } from 'typeorm';
import {
  ScopedCron,
  ScopedWorker,
  ScopedWorkerEvents,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type ScopedWorkerModuleOptions,
  type Tick,
  type TickReport,
} from '../../lib/index.js';
import {
  getScopedRepositoryToken,
  InjectScopedRepository,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import { RecordingLogger } from '../support/app.js';
import { advance, useFakeClock } from '../support/fake-clock.js';

@Entity()
class Note {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text')
  text!: string;
}

@ScopedWorker()
class NoteWorker {
  constructor(@InjectScopedRepository(Note) private readonly notes: Repository<Note>) {}

  @ScopedCron('@daily')
  async write(tick: Tick<{ fails: boolean } | undefined>): Promise<void> {
    await this.notes.save({ text: 'written' });
    if (tick.payload?.fails) throw new Error('after the save');
  }
}

@Module({
  imports: [ScopedTypeOrmModule.forFeature([Note], { transaction: true })],
  providers: [NoteWorker],
})
class NoteModule {}

const folder = mkdtempSync(join(tmpdir(), 'notes-'));
afterAll(() => rmSync(folder, { recursive: true }));

const imports = (options: ScopedWorkerModuleOptions = { defaults: { disabled: true } }) => [
  TypeOrmModule.forRoot({
    type: 'better-sqlite3',
    database: join(folder, 'test.db'),
    autoLoadEntities: true,
    synchronize: true,
    dropSchema: true, // each application starts with empty tables
  }),
  ScopedWorkerModule.forRoot(options),
  NoteModule,
];

describe('The samples of docs/06-testing.md for TypeORM', () => {
  it('rolls back what a failing tick has saved', async () => {
    const tested = await Test.createTestingModule({ imports: imports() })
      .setLogger(new RecordingLogger())
      .compile();
    await tested.init();
    const registry = tested.get(ScopedWorkerRegistry);
    const notes = tested.get<DataSource>(getDataSourceToken()).getRepository(Note);

    const failed = await registry.run('NoteWorker.write', { payload: { fails: true } });
    expect([failed.outcome, await notes.count()]).toEqual(['failed', 0]);

    const succeeded = await registry.run('NoteWorker.write');
    expect([succeeded.outcome, await notes.count()]).toEqual(['succeeded', 1]);
    await tested.close();
  });

  it('saves a note', async () => {
    const saved: object[] = [];
    const tested = await Test.createTestingModule({ imports: imports() })
      .overrideProvider(getScopedRepositoryToken(Note))
      .useValue({ save: async (note: object) => void saved.push(note) })
      .setLogger(new RecordingLogger())
      .compile();
    await tested.init();
    await tested.get(ScopedWorkerRegistry).run('NoteWorker.write');
    await tested.close();

    expect(saved).toEqual([{ text: 'written' }]);
  });
});

describe('What docs/06-testing.md says about doubles', () => {
  @Injectable({ scope: Scope.REQUEST })
  class Mailer {}

  @ScopedWorker()
  class Reminders {
    constructor(private readonly mailer: Mailer) {}

    @ScopedCron('@daily')
    remind(): Mailer {
      return this.mailer;
    }
  }

  const builder = () =>
    Test.createTestingModule({
      imports: [ScopedWorkerModule.forRoot({ defaults: { disabled: true } })],
      providers: [Mailer, Reminders],
    }).setLogger(new RecordingLogger());

  it('builds a request-scoped double from useClass for each tick', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class MailerDouble {}
    const tested = await builder().overrideProvider(Mailer).useClass(MailerDouble).compile();
    await tested.init();
    const registry = tested.get(ScopedWorkerRegistry);

    const first = await registry.run('Reminders.remind');
    const second = await registry.run('Reminders.remind');
    await tested.close();

    expect(first.value).toBeInstanceOf(MailerDouble);
    expect(second.value).not.toBe(first.value);
  });

  it('names the schedules of a replaced worker after its subclass', async () => {
    class QuietReminders extends Reminders {}
    const tested = await builder().overrideProvider(Reminders).useClass(QuietReminders).compile();
    await tested.init();
    const names = tested.get(ScopedWorkerRegistry).list();
    await tested.close();

    expect(names).toMatchObject([{ name: 'QuietReminders.remind' }]);
  });
});

it('What docs/06-testing.md says about I/O under fake timers: its tick finishes after time has advanced', async () => {
  useFakeClock();
  const tested = await Test.createTestingModule({ imports: imports({}) })
    .setLogger(new RecordingLogger())
    .compile();
  await tested.init();
  const events = tested.get(ScopedWorkerEvents);

  for (const day of [1, 2]) {
    const finished = new Promise<TickReport>((resolve) => events.once('tick:finished', resolve));
    await advance(24 * 3_600_000);
    expect(await finished).toMatchObject({ outcome: 'succeeded', trigger: 'cron' });
    const notes = tested.get<DataSource>(getDataSourceToken()).getRepository(Note);
    expect(await notes.count()).toBe(day);
  }
  await tested.close();
  jest.useRealTimers();
});
