import { outboxSource } from '../../lib/typeorm/index.js';
import { quietFor } from '../support/gate.js';
import {
  closeOutboxes,
  KeptMessage,
  openDataSource,
  OutboxMessage,
  reader,
} from '../support/outbox.js';
import { testDatabase } from '../support/postgres.js';

describe('The lease of a message', () => {
  const database = testDatabase();
  beforeEach(() => database.query('DROP TABLE IF EXISTS outbox, kept_outbox'));
  afterEach(closeOutboxes);

  /** As if the holder had not renewed it. */
  const endLease = (table = 'outbox'): Promise<unknown> =>
    database.query(`UPDATE ${table} SET "availableAt" = now()`);

  it('[XG2] ends when the process is gone: the message is delivered again, and that is counted', async () => {
    const [gone, alive] = [await openDataSource(database), await openDataSource(database)];
    await gone.manager.save(OutboxMessage, { text: 'a' });
    const options = { leaseMs: 500, pollMs: 20 };
    const lost = reader(outboxSource(OutboxMessage, gone, options));
    expect(await lost.next()).toMatchObject({ deliveries: 1 });
    lost.abort();
    await gone.destroy();
    expect(await reader(outboxSource(OutboxMessage, alive, options)).next()).toMatchObject({
      deliveries: 2,
      body: { text: 'a' },
    });
  });

  it('is renewed for as long as the message is held, also after its iteration has ended', async () => {
    const [holder, other] = [await openDataSource(database), await openDataSource(database)];
    await holder.manager.save(OutboxMessage, [{ text: 'a' }, { text: 'b' }]);
    const options = { leaseMs: 1_000, pollMs: 20 };
    const { next, abort, ended } = reader(outboxSource(OutboxMessage, holder, options));
    const held = [await next(), await next()];
    abort();
    await ended();
    const redelivered = reader(outboxSource(OutboxMessage, other, options)).next();
    let isRedelivered = false;
    void redelivered.then(() => (isRedelivered = true));
    await quietFor(2_500);
    expect(isRedelivered).toBe(false);
    await held[0]!.ack();
    await held[1]!.nack();
    expect((await redelivered).body.text).toBe('b');
  });

  it('is renewed while another message is locked by its own handler', async () => {
    const [holder, other] = [await openDataSource(database), await openDataSource(database)];
    await holder.manager.save(OutboxMessage, [{ text: 'a' }, { text: 'b' }]);
    const options = { leaseMs: 1_000, pollMs: 20 };
    const { next } = reader(outboxSource(OutboxMessage, holder, options));
    const held = [await next(), await next()];
    let redelivered = 0;
    void reader(outboxSource(OutboxMessage, other, options))
      .next()
      .then(
        () => (redelivered += 1),
        () => undefined,
      );
    await holder.transaction(async (manager) => {
      await manager.query(`SELECT FROM outbox WHERE text = 'a' FOR UPDATE`);
      await quietFor(2_500);
      expect(redelivered).toBe(0);
    });
    // The locked one could not be renewed: from here on the other reader may take it.
    expect(held[1]!.body.text).toBe('b');
    await held[1]!.ack();
    await held[0]!.nack();
  });

  it('is not renewed past nack(error), whose delay holds', async () => {
    const dataSource = await openDataSource(database);
    await dataSource.manager.save(OutboxMessage, [{ text: 'a' }, { text: 'held' }]);
    const options = { leaseMs: 300, retryDelayMs: 3_600_000 };
    const { next } = reader(outboxSource(OutboxMessage, dataSource, options));
    const [failed] = [await next(), await next()];
    await failed!.nack(new Error('no'));
    await quietFor(500);
    const [row] = await database.query<{ waits: number }>(
      `SELECT extract(epoch FROM "availableAt" - now())::float8 AS waits FROM outbox WHERE text = 'a'`,
    );
    expect(row!.waits).toBeGreaterThan(3_000);
  });

  describe('when another reader has taken the message', () => {
    async function stolen(): Promise<{
      late: Awaited<ReturnType<ReturnType<typeof reader<KeptMessage>>['next']>>;
      current: Awaited<ReturnType<ReturnType<typeof reader<KeptMessage>>['next']>>;
    }> {
      const [slow, quick] = [await openDataSource(database), await openDataSource(database)];
      await slow.manager.save(KeptMessage, { text: 'a' });
      const late = await reader(outboxSource(KeptMessage, slow)).next();
      await endLease('kept_outbox');
      const current = await reader(outboxSource(KeptMessage, quick)).next();
      expect([late.deliveries, current.deliveries]).toEqual([1, 2]);
      return { late, current };
    }
    const state = (): Promise<unknown[]> =>
      database.query(
        `SELECT deliveries, "deliveredAt" IS NOT NULL AS delivered, "deadAt" IS NOT NULL AS dead,
           "availableAt" > now() AS leased
         FROM kept_outbox`,
      );
    const untouched = [{ deliveries: 2, delivered: false, dead: false, leased: true }];

    it('[XG2] a late ack() is refused and changes nothing; the ack() of the other holds', async () => {
      const { late, current } = await stolen();
      await expect(late.ack()).rejects.toThrow(
        /^Delivery 1 of message [-0-9a-f]+ cannot be acknowledged: another reader has taken its row, or the row was deleted\. Another reader takes a row if its lease of 30000 ms is not renewed in time\. /,
      );
      expect(await state()).toEqual(untouched);
      await current.ack();
      expect(await state()).toMatchObject([{ delivered: true }]);
    });

    it('[XG2] a late deadLetter() is refused and changes nothing; that of the other holds', async () => {
      const { late, current } = await stolen();
      await expect(late.deadLetter!(new Error('no'))).rejects.toThrow('cannot be put aside');
      expect(await state()).toEqual(untouched);
      await current.deadLetter!(new Error('no'));
      expect(await state()).toMatchObject([{ dead: true }]);
    });

    it.each([
      ['', undefined],
      ['error', new Error('no')],
    ])(
      'a late nack(%s) changes nothing; that of the other returns the message',
      async (_, error) => {
        const { late, current } = await stolen();
        await late.nack(error);
        expect(await state()).toEqual(untouched);
        await current.nack();
        expect(await state()).toMatchObject([{ deliveries: 1, leased: false }]);
      },
    );

    it('ack() is allowed when the lease has ended, but nobody has taken the message', async () => {
      const dataSource = await openDataSource(database);
      await dataSource.manager.save(OutboxMessage, { text: 'a' });
      const delivery = await reader(outboxSource(OutboxMessage, dataSource)).next();
      await endLease();
      await delivery.ack();
      expect(await database.query('SELECT FROM outbox')).toEqual([]);
    });
  });
});
