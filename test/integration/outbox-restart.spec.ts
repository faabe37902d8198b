import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { outboxSource } from '../../lib/typeorm/index.js';
import { quietFor } from '../support/gate.js';
import {
  closeOutboxes,
  eventually,
  listeners,
  NEVER_MS,
  openDataSource,
  OutboxMessage,
  reader,
} from '../support/outbox.js';
import { testDatabase } from '../support/postgres.js';

describe('An outbox whose data source is restarted while it is read', () => {
  const database = testDatabase();
  beforeEach(async () => {
    jest.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
    await database.query('DROP TABLE IF EXISTS outbox');
  });
  afterEach(closeOutboxes);
  afterEach(() => void jest.restoreAllMocks());

  const isListening = async (): Promise<boolean> => (await listeners(database)).length > 0;

  it('[XG3] is listened to again when that took a moment and a message was being worked on', async () => {
    const dataSource = await openDataSource(database);
    const { next } = reader(outboxSource(OutboxMessage, dataSource, { pollMs: NEVER_MS }));
    await dataSource.manager.save(OutboxMessage, { text: 'a' });
    const first = await next();
    await eventually('it listens', isListening);
    await dataSource.destroy();
    await quietFor(500);
    await dataSource.initialize();
    await first.ack();
    const second = next();
    second.catch(() => undefined);
    await eventually('it listens again', isListening);
    await dataSource.manager.save(OutboxMessage, { text: 'b' });
    expect((await second).body.text).toBe('b');
  });

  it('[XG3] ends a reader that waits, so that it is begun again', async () => {
    const dataSource = await openDataSource(database);
    const { next } = reader(outboxSource(OutboxMessage, dataSource, { pollMs: NEVER_MS }));
    let ended = false;
    next().catch(() => (ended = true));
    await eventually('it listens', isListening);
    await quietFor(100);
    await dataSource.destroy();
    await quietFor(500);
    await dataSource.initialize();
    await eventually('it ended', () => ended);
    expect(ended).toBe(true);
  });

  it('[XG3] announces again what this process saves after a quick restart', async () => {
    const dataSource = await openDataSource(database);
    const { next } = reader(outboxSource(OutboxMessage, dataSource, { pollMs: NEVER_MS }));
    let came: string | undefined;
    next().then(
      ({ body }) => (came = body.text),
      () => undefined,
    );
    await eventually('it listens', isListening);
    await quietFor(100);
    await dataSource.destroy();
    await dataSource.initialize();
    await eventually('it listens again', isListening);
    await quietFor(100);
    await dataSource.manager.save(OutboxMessage, { text: 'b' });
    await eventually('it came', () => came !== undefined);
    expect(came).toBe('b');
  });
});
