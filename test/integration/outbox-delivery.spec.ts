import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { InvalidOptionsError } from '../../lib/errors/errors.js';
import { outboxSource } from '../../lib/typeorm/index.js';
import { gate, quietFor } from '../support/gate.js';
import {
  closeOutboxes,
  eventually,
  KeptMessage,
  openDataSource,
  OutboxMessage,
  reader,
} from '../support/outbox.js';
import { testDatabase } from '../support/postgres.js';

describe('outboxSource', () => {
  const database = testDatabase();
  beforeEach(() => database.query('DROP TABLE IF EXISTS outbox, kept_outbox'));
  afterEach(closeOutboxes);

  const rows = (): Promise<{ text: string; deliveries: number; waits: number }[]> =>
    database.query(
      `SELECT text, deliveries, extract(epoch FROM "availableAt" - now())::float8 AS waits
       FROM outbox ORDER BY id`,
    );
  const keptRows = (): Promise<Record<string, unknown>[]> =>
    database.query(
      `SELECT text, deliveries, "deadAt" IS NOT NULL AS dead, "lastError" AS error,
         "deliveredAt" IS NOT NULL AS delivered
       FROM kept_outbox ORDER BY text`,
    );

  it('delivers the entity, with the id and the count of its row', async () => {
    const dataSource = await openDataSource(database);
    const { id } = await dataSource.manager.save(OutboxMessage, { text: 'one' });
    const delivery = await reader(outboxSource(OutboxMessage, dataSource)).next();
    expect(delivery).toMatchObject({ id: String(id), deliveries: 1 });
    expect(delivery.body).toBeInstanceOf(OutboxMessage);
    expect(delivery.body).toMatchObject({ id, text: 'one', deliveries: 1 });
    await delivery.ack();
  });

  it('delivers what is due longest first, and what is not due not yet', async () => {
    const dataSource = await openDataSource(database);
    const at = (ms: number): Date => new Date(Date.now() + ms);
    await dataSource.manager.save(OutboxMessage, [
      { text: 'later', availableAt: at(3_600_000) },
      { text: 'second', availableAt: at(-1_000) },
      { text: 'first', availableAt: at(-2_000) },
    ]);
    const { next, abort, ended } = reader(outboxSource(OutboxMessage, dataSource));
    expect((await next()).body.text).toBe('first');
    expect((await next()).body.text).toBe('second');
    const end = ended();
    await quietFor(300);
    abort();
    await end;
  });

  it('[G11] claims a message only when it is asked for one', async () => {
    const dataSource = await openDataSource(database);
    await dataSource.manager.save(
      OutboxMessage,
      ['1', '2', '3', '4', '5'].map((text) => ({ text })),
    );
    await database.query('ANALYZE outbox');
    const { next } = reader(outboxSource(OutboxMessage, dataSource));
    const claimed = async (): Promise<number> =>
      (await rows()).filter(({ deliveries }) => deliveries > 0).length;
    expect(await claimed()).toBe(0);
    await next();
    expect(await claimed()).toBe(1);
    await next();
    expect(await claimed()).toBe(2);
  });

  it('delivers each message to one of several readers on two data sources', async () => {
    const dataSources = [await openDataSource(database), await openDataSource(database)];
    await dataSources[0]!.manager.save(
      OutboxMessage,
      Array.from({ length: 200 }, (_, index) => ({ text: String(index) })),
    );
    const { opened: drained, open: drain } = gate<undefined>();
    const seen: string[] = [];
    const work = dataSources.flatMap((dataSource) =>
      [1, 2].map(async () => {
        const { next } = reader(outboxSource(OutboxMessage, dataSource));
        while (seen.length < 200) {
          const delivery = await Promise.race([next(), drained]);
          if (delivery === undefined) return;
          seen.push(`${delivery.id} ${delivery.deliveries}`);
          await delivery.ack();
          if (seen.length === 200) drain(undefined);
        }
      }),
    );
    await Promise.all(work);
    expect(new Set(seen).size).toBe(200);
    expect(seen.every((entry) => entry.endsWith(' 1'))).toBe(true);
    expect(await rows()).toEqual([]);
  });
  describe('when a message is acknowledged', () => {
    it('[XG2] deletes its row, and not before', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(OutboxMessage, [{ text: 'done' }, { text: 'other' }]);
      const { next } = reader(outboxSource(OutboxMessage, dataSource));
      const delivery = await next();
      expect(await rows()).toHaveLength(2);
      await delivery.ack();
      expect((await rows()).map(({ text }) => text)).toEqual(['other']);
    });

    it('[XG2] sets deliveredAt instead where the entity has it, and delivers the row no more', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(KeptMessage, { text: 'a' });
      const { next } = reader(outboxSource(KeptMessage, dataSource, { pollMs: 20 }));
      await (await next()).ack();
      expect(await keptRows()).toMatchObject([{ text: 'a', delivered: true, deliveries: 1 }]);
      await database.query(`UPDATE kept_outbox SET "availableAt" = now()`);
      await dataSource.manager.save(KeptMessage, { text: 'b' });
      expect((await next()).body.text).toBe('b');
    });

    it('refuses a second word on the same delivery', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(OutboxMessage, { text: 'done' });
      const delivery = await reader(outboxSource(OutboxMessage, dataSource)).next();
      await delivery.ack();
      await expect(delivery.nack()).rejects.toThrow(
        'Delivery 1 of message 1 was already settled. Call exactly one of ack(), nack() and deadLetter(), once.',
      );
    });
  });

  describe('when a message goes back', () => {
    it('[G4] is delivered again at once after nack(), which counts as no delivery', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(OutboxMessage, { text: 'interrupted' });
      const { next } = reader(outboxSource(OutboxMessage, dataSource));
      await (await next()).nack();
      expect(await rows()).toMatchObject([{ deliveries: 0 }]);
      expect(await next()).toMatchObject({ deliveries: 1 });
    });

    it('waits for retryDelayMs after nack(error), counts, and keeps the text of the error', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(KeptMessage, { text: 'a' });
      const asked: number[] = [];
      const retryDelayMs = (deliveries: number): number => {
        asked.push(deliveries);
        return deliveries * 50;
      };
      const { next } = reader(outboxSource(KeptMessage, dataSource, { retryDelayMs, pollMs: 10 }));
      await (await next()).nack(new Error('no\0 route'));
      expect(await keptRows()).toMatchObject([{ error: 'no route', dead: false }]);
      const again = await next();
      expect(again).toMatchObject({ deliveries: 2, body: { lastError: 'no route' } });
      await again.nack('gone');
      expect(await next()).toMatchObject({ deliveries: 3, body: { lastError: 'gone' } });
      expect(asked).toEqual([1, 2]);
    });

    it('waits for 1 second after the first failure, doubled after each, 60 at most', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(OutboxMessage, { text: 'fails' });
      const { next } = reader(outboxSource(OutboxMessage, dataSource, { pollMs: 10 }));
      for (const [before, seconds] of [
        [0, 1],
        [2, 4],
        [50, 60],
      ] as const) {
        await database.query(`UPDATE outbox SET deliveries = ${before}, "availableAt" = now()`);
        await (await next()).nack(new Error('no'));
        const [row] = await rows();
        expect(row!.deliveries).toBe(before + 1);
        expect(row!.waits).toBeGreaterThan(seconds - 1);
        expect(row!.waits).toBeLessThanOrEqual(seconds);
      }
    });

    it.each([
      ['returns nonsense', () => Number.NaN, 'must be a number of milliseconds from 0'],
      ['throws', () => JSON.parse('{'), 'failed: '],
    ])(
      'waits for the default delay, and says so, when retryDelayMs %s',
      async (_, retryDelayMs, text) => {
        const dataSource = await openDataSource(database);
        await dataSource.manager.save(OutboxMessage, { text: 'fails' });
        const source = outboxSource(OutboxMessage, dataSource, { retryDelayMs });
        const delivery = await reader(source).next();
        const error = await Promise.resolve(delivery.nack(new Error('no'))).catch(
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(InvalidOptionsError);
        expect((error as Error).message).toContain(`retryDelayMs(1) ${text}`);
        expect((await rows())[0]!.waits).toBeGreaterThan(0);
      },
    );
  });

  describe('when a message is put aside', () => {
    it('keeps its row with deadAt and the error, and delivers it no more', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(KeptMessage, { text: 'a' });
      const source = outboxSource(KeptMessage, dataSource, { pollMs: 20 });
      expect(source.keepsDeadLetters).toBe(true);
      const { next } = reader(source);
      await (
        await next()
      ).deadLetter!(new Error('poison'));
      expect(await keptRows()).toMatchObject([{ dead: true, error: 'poison', delivered: false }]);
      await database.query(`UPDATE kept_outbox SET "availableAt" = now()`);
      await dataSource.manager.save(KeptMessage, { text: 'b' });
      expect((await next()).body.text).toBe('b');
    });

    it('is delivered again when a person empties deadAt', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(KeptMessage, { text: 'a' });
      const { next } = reader(outboxSource(KeptMessage, dataSource, { pollMs: 20 }));
      await (
        await next()
      ).deadLetter!(new Error('poison'));
      await database.query(
        `UPDATE kept_outbox SET "deadAt" = NULL, deliveries = 0, "availableAt" = now()`,
      );
      expect(await next()).toMatchObject({ deliveries: 1, body: { text: 'a' } });
    });

    it('may still go back when that fails', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(KeptMessage, { text: 'a' });
      await database.query('ALTER TABLE kept_outbox ADD CHECK ("deadAt" IS NULL)');
      const { next } = reader(outboxSource(KeptMessage, dataSource, { retryDelayMs: 0 }));
      const delivery = await next();
      await expect(delivery.deadLetter!(new Error('poison'))).rejects.toThrow('check constraint');
      await delivery.nack(new Error('poison'));
      expect(await next()).toMatchObject({ deliveries: 2 });
    });

    it('cannot be put aside without deadAt', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(OutboxMessage, { text: 'a' });
      const source = outboxSource(OutboxMessage, dataSource);
      expect(source.keepsDeadLetters).toBe(false);
      expect((await reader(source).next()).deadLetter).toBeUndefined();
    });
  });

  describe('when the transaction of the writer', () => {
    it('is rolled back, its rows are never delivered', async () => {
      const dataSource = await openDataSource(database);
      const { next } = reader(outboxSource(OutboxMessage, dataSource, { pollMs: 20 }));
      const first = next();
      const failing = dataSource.transaction(async (manager) => {
        await manager.save(OutboxMessage, { text: 'never' });
        throw new Error('no');
      });
      await expect(failing).rejects.toThrow('no');
      await dataSource.manager.save(OutboxMessage, { text: 'real' });
      expect((await first).body.text).toBe('real');
    });

    it('commits, its rows are delivered, and not before', async () => {
      const dataSource = await openDataSource(database);
      const { next } = reader(outboxSource(OutboxMessage, dataSource, { pollMs: 20 }));
      let isDelivered = false;
      const first = next().finally(() => (isDelivered = true));
      await dataSource.transaction(async (manager) => {
        await manager.save(OutboxMessage, { text: 'real' });
        await quietFor(200);
        expect(isDelivered).toBe(false);
      });
      expect((await first).body.text).toBe('real');
    });
  });

  describe('when the iteration ends', () => {
    it('ends promptly while it waits, and holds no connection and no session that listens', async () => {
      const dataSource = await openDataSource(database);
      const { next, ended, abort } = reader(outboxSource(OutboxMessage, dataSource));
      const last = next().catch((error: Error) => error.message);
      await quietFor(100);
      abort();
      expect(await last).toBe('The iteration has ended.');
      await ended();
    });

    it('[G4] returns a row whose claim is under way', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(OutboxMessage, { text: 'a' });
      const { ended, abort } = reader(outboxSource(OutboxMessage, dataSource));
      let end!: Promise<void>;
      await dataSource.transaction(async (manager) => {
        await manager.query('LOCK TABLE outbox');
        end = ended();
        await eventually('the claim waits for the lock', async () => {
          const [waiting] = await database.query<{ count: number }>(
            'SELECT count(*)::int FROM pg_locks WHERE NOT granted',
          );
          return waiting!.count > 0;
        });
        abort();
      });
      await end;
      const [row] = await rows();
      expect(row).toMatchObject({ deliveries: 0 });
      expect(row!.waits).toBeLessThanOrEqual(0);
    });

    it('does not begin when the signal is aborted already', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(OutboxMessage, { text: 'a' });
      const { ended, abort } = reader(outboxSource(OutboxMessage, dataSource));
      abort();
      await ended();
      expect(await rows()).toMatchObject([{ deliveries: 0 }]);
    });

    it('[G12] throws when the database is out of reach, and can be read again when it is back', async () => {
      const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
      const dataSource = await openDataSource(database);
      const source = outboxSource(OutboxMessage, dataSource, { pollMs: 20 });
      const first = reader(source).next();
      await quietFor(100);
      await dataSource.destroy();
      await expect(first).rejects.toBeInstanceOf(Error);
      await expect(reader(source).next()).rejects.toBeInstanceOf(Error);
      await dataSource.initialize();
      await dataSource.manager.save(OutboxMessage, { text: 'back' });
      expect((await reader(source).next()).body.text).toBe('back');
      warn.mockRestore();
    });
  });
});
