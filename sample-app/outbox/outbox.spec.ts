import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { SampleBuild, type Sample } from '../../test/support/sample-app.js';
import type { OrderView } from './order-list.js';
import type { Order } from './order.entity.js';
import type { OutboxMessage } from './outbox-message.entity.js';

const describeOnce = process.env['NEST'] ? describe.skip : describe;

describeOnce('sample application, its outbox', () => {
  let build: SampleBuild;
  let database: TestDatabase;
  let sample: Sample;

  beforeAll(async () => {
    build = new SampleBuild();
    database = await createTestDatabase();
  });
  beforeEach(() => {
    sample = build.start({ DATABASE_URL: database.url });
  });
  afterEach(() => build.killAll());
  afterAll(async () => {
    build.remove();
    await database.drop();
  });

  const place = async (query = ''): Promise<number> => {
    const { status, body } = await sample.ask<Order>('POST', `orders${query}`);
    expect(status).toBe(201);
    return body.id;
  };
  const order = async (id: number): Promise<OrderView> => {
    const { body } = await sample.ask<OrderView[]>('GET', 'orders');
    return body.find((one) => one.id === id)!;
  };
  /** The lines of the terminal about an order: scope, entity manager, and the result. */
  const lines = (id: number): { scope: string; manager: string; result: string }[] =>
    [
      ...sample.stdout.matchAll(
        new RegExp(`deliver +tick-\\S+ +(scope-\\S+) +(#\\d+) .*  order ${id}, (.*)`, 'g'),
      ),
    ].map(([, scope, manager, result]) => ({ scope: scope!, manager: manager!, result: result! }));

  it('stores an order and its message, or neither', async () => {
    const id = await place('?item=tea');
    await sample.says(new RegExp(`order ${id}, delivery 1, attempt 1\n`));
    expect(await order(id)).toMatchObject({
      item: 'tea',
      state: 'delivered',
      attempts: 1,
      receipt: `R-${id}`,
    });

    await database.query(
      'ALTER TABLE outbox_messages ADD CONSTRAINT refused CHECK (false) NOT VALID',
    );
    expect((await sample.ask('POST', 'orders')).status).toBe(500);
    expect(await database.query('SELECT id FROM orders')).toEqual([{ id }]);

    await database.query('ALTER TABLE outbox_messages DROP CONSTRAINT refused');
    const next = await place();
    await sample.says(new RegExp(`order ${next}, delivery 1, attempt 1\n`));
    expect((await order(next)).state).toBe('delivered');
  });

  it('tries again what the receiver refuses, in a fresh scope, until it is delivered', async () => {
    const id = await place('?fail=3');
    await sample.says(new RegExp(`order ${id}, delivery 2, attempt 2\n`));

    expect(lines(id).map(({ result }) => result)).toEqual([
      'delivery 1, attempt 1: failed, the next attempt in 500 ms',
      'delivery 1, attempt 2: failed',
      'delivery 2, attempt 1: failed, the next attempt in 500 ms',
      'delivery 2, attempt 2',
    ]);
    expect(new Set(lines(id).map(({ scope }) => scope)).size).toBe(4);
    expect(new Set(lines(id).map(({ manager }) => manager)).size).toBe(4);
    expect(await order(id)).toMatchObject({ state: 'delivered', attempts: 4, deliveries: 2 });
  });

  it('puts aside what the receiver always refuses, and goes on', async () => {
    const id = await place('?fail=always');
    await sample.says(new RegExp(`order ${id}, delivery 3, attempt 2: failed\n`));
    await sample.complains(/deliver: message \d+ was put aside after 3 deliveries/);

    expect(await order(id)).toMatchObject({ state: 'dead', attempts: 6, deliveries: 3 });
    const deadLetters = await sample.ask<OutboxMessage[]>('GET', 'dead-letters');
    expect(deadLetters.body).toMatchObject([
      {
        order: { id, receipt: null },
        deliveries: 3,
        lastError: `The receiver refused order ${id} (offer 6).`,
      },
    ]);

    const next = await place();
    await sample.says(new RegExp(`order ${next}, delivery 1, attempt 1\n`));
  });

  it('returns a message that waits for its next attempt, on Ctrl-C', async () => {
    const id = await place('?fail=1');
    await sample.says(new RegExp(`order ${id}, .* the next attempt in 500 ms`));
    sample.signal('SIGINT');
    expect(await sample.ended).toBe(0);
    expect(sample.stdout).toContain('(0 kept)');
    const messages = await database.query(
      'SELECT deliveries, "availableAt" <= now() AS due FROM outbox_messages WHERE "orderId" = $1',
      [id],
    );
    expect(messages).toEqual([{ deliveries: 0, due: true }]);

    sample = build.start({ DATABASE_URL: database.url }, 'worker.js');
    await sample.says(new RegExp(`order ${id}, delivery 1, attempt 1\n`));
  });

  it('refuses a plan that it cannot read', async () => {
    expect(await sample.ask('POST', 'orders?fail=-1')).toMatchObject({
      status: 400,
      body: { message: 'fail must be a whole number from 0 to 999999, or "always", not "-1".' },
    });
  });
});
