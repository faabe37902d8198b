import {
  ChildEntity,
  Column,
  DefaultNamingStrategy,
  DeleteDateColumn,
  Entity,
  EntitySchema,
  type EntitySchemaOptions,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  TableInheritance,
} from 'typeorm';
import { outboxChannel, outboxSource } from '../../lib/typeorm/index.js';
import { quietFor } from '../support/gate.js';
import { closeOutboxes, NEVER_MS, openDataSource, reader } from '../support/outbox.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

abstract class Base {
  @Column('timestamptz', { default: () => 'now()' })
  availableAt!: Date;

  @Column('int', { default: 0 })
  deliveries!: number;
}

@Entity('customers')
class Customer {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text')
  name!: string;
}

class Address {
  @Column('text')
  city!: string;
}

/** Everything that a name or a column may be in TypeORM. */
@Entity('Order Events', { schema: 'Sales' })
class OrderEvent extends Base {
  @PrimaryColumn('uuid', { name: 'Event Id' })
  eventId!: string;

  @Column('jsonb')
  payload!: unknown;

  @Column('bigint', { transformer: { to: String, from: BigInt } })
  amount!: bigint;

  @Column(() => Address)
  address!: Address;

  @ManyToOne(() => Customer, { eager: true, cascade: true })
  @JoinColumn()
  customer!: Customer;

  @Column('timestamptz', { nullable: true, select: false })
  deadAt!: Date | null;

  @DeleteDateColumn({ type: 'timestamptz' })
  removedAt!: Date | null;
}

class SnakeCase extends DefaultNamingStrategy {
  override columnName(property: string, custom: string, prefixes: string[]): string {
    const name = [...prefixes, custom || property].join('_');
    return custom ? name : name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  }
}

@Entity('events')
@TableInheritance({ column: { type: 'text', name: 'kind' } })
class Event extends Base {
  @PrimaryGeneratedColumn()
  id!: number;
}

@ChildEntity('paid')
class Paid extends Event {
  @Column('int')
  cents!: number;
}

@Entity('fragile')
class Fragile extends Base {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text', {
    transformer: {
      to: String,
      from: (text: string) => {
        if (text === 'broken') throw new Error('not readable');
        return text;
      },
    },
  })
  text!: string;

  @Column('varchar', { length: 5, nullable: true })
  lastError!: string | null;
}

interface Plain {
  id: number;
  availableAt: Date;
  deliveries: number;
}

const PLAIN: EntitySchemaOptions<Plain>['columns'] = {
  id: { type: 'int', primary: true, generated: true },
  availableAt: { type: 'timestamptz', default: () => 'now()' },
  deliveries: { type: 'int', default: 0 },
};

const PlainSchema = new EntitySchema<Plain>({ name: 'Plain', columns: PLAIN });

describe('The entity of an outbox', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    await closeOutboxes();
    await database.drop();
  });

  it('is mapped as TypeORM maps it: names, schema, transformers, embedded and eager parts', async () => {
    await database.query('CREATE SCHEMA "Sales"');
    const dataSource = await openDataSource(database, [OrderEvent, Customer], {
      namingStrategy: new SnakeCase(),
      schema: 'public',
    });
    const eventId = '00000000-0000-4000-8000-000000000001';
    const source = outboxSource(OrderEvent, dataSource, { pollMs: NEVER_MS, retryDelayMs: 0 });
    const { next } = reader(source);
    const first = next();
    await quietFor(200); // for LISTEN
    await dataSource.manager.save(OrderEvent, {
      eventId,
      payload: { lines: [1, 2] },
      amount: 12345678901234567890n % 9007199254740993n,
      address: { city: 'Ulm' },
      customer: { name: 'Ada' },
    });
    const delivery = await first;
    expect(delivery.id).toBe(eventId);
    expect(delivery.body).toBeInstanceOf(OrderEvent);
    expect(delivery.body).toMatchObject({
      eventId,
      payload: { lines: [1, 2] },
      amount: 12345678901234567890n % 9007199254740993n,
      address: { city: 'Ulm' },
      customer: { name: 'Ada' },
      deliveries: 1,
    });
    expect(delivery.body.deadAt).toBeUndefined(); // select: false
    expect(outboxChannel(OrderEvent, dataSource)).toBe('outbox:Sales.Order Events');

    await delivery.nack(new Error('no'));
    const again = await next();
    expect(again.deliveries).toBe(2);
    await again.deadLetter!(new Error('no'));
    expect(
      await database.query('SELECT dead_at IS NULL AS open FROM "Sales"."Order Events"'),
    ).toEqual([{ open: false }]);
  });

  it('does not count as a message while it is soft-deleted', async () => {
    await database.query('CREATE SCHEMA "Sales"');
    const dataSource = await openDataSource(database, [OrderEvent, Customer]);
    const event = (eventId: string): object => ({
      eventId,
      payload: 1,
      amount: 1n,
      address: { city: 'Ulm' },
    });
    const [gone, kept] = [
      '00000000-0000-4000-8000-000000000001',
      '00000000-0000-4000-8000-000000000002',
    ];
    await dataSource.manager.save(OrderEvent, event(gone!));
    await dataSource.manager.softDelete(OrderEvent, gone!);
    await dataSource.manager.save(OrderEvent, event(kept!));
    const { next } = reader(outboxSource(OrderEvent, dataSource, { pollMs: 10 }));
    expect((await next()).id).toBe(kept);
    await dataSource.manager.restore(OrderEvent, gone!);
    expect((await next()).id).toBe(gone);
  });

  it('may be the root of several, each delivered as what it is', async () => {
    const dataSource = await openDataSource(database, [Event, Paid]);
    await dataSource.manager.save(Paid, { cents: 5 });
    const { body } = await reader(outboxSource(Event, dataSource)).next();
    expect(body).toBeInstanceOf(Paid);
    expect(body).toMatchObject({ cents: 5 });
  });

  it('may be an EntitySchema', async () => {
    const dataSource = await openDataSource(database, [PlainSchema]);
    const { next } = reader(outboxSource(PlainSchema, dataSource, { pollMs: NEVER_MS }));
    const first = next();
    await quietFor(200); // for LISTEN
    const { id } = await dataSource.getRepository(PlainSchema).save({});
    expect((await first).body).toMatchObject({ id, deliveries: 1 });
  });

  it('is put off when it cannot be loaded, which ends the iteration and not the source', async () => {
    const dataSource = await openDataSource(database, [Fragile]);
    await database.query(`INSERT INTO fragile (text) VALUES ('broken')`);
    await database.query(`INSERT INTO fragile (text) VALUES ('whole')`);
    const source = outboxSource(Fragile, dataSource, { pollMs: 10 });
    await expect(reader(source).next()).rejects.toThrow('not readable');
    expect((await reader(source).next()).body.text).toBe('whole');
    const rows = await database.query(
      `SELECT "lastError" AS error, deliveries, "availableAt" > now() AS waits FROM fragile WHERE text = 'broken'`,
    );
    expect(rows).toEqual([{ error: 'not r', deliveries: 1, waits: true }]);
  });

  it('has a channel of at most 63 bytes, which differs for names that begin alike', async () => {
    const message = (tableName: string): EntitySchema<Plain> =>
      new EntitySchema<Plain>({ name: tableName, tableName, columns: PLAIN });
    const lengths = [49, 50, 57, 58].map((length) => message('t'.repeat(length)));
    const dataSource = await openDataSource(database, lengths);
    const channels = lengths.map((entity) => outboxChannel(entity, dataSource));
    expect(channels[0]).toBe(`outbox:public.${'t'.repeat(49)}`);
    expect(channels.map((channel) => Buffer.byteLength(channel))).toEqual([63, 47, 47, 47]);
    expect(new Set(channels).size).toBe(4);
    for (const entity of lengths) {
      await dataSource.manager.save(entity, {});
      await (await reader(outboxSource(entity, dataSource)).next()).ack();
    }
  });
});
