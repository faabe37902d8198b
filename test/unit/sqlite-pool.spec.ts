import { describe, expect, it } from '@jest/globals';
import type { SqliteConnection } from '../../lib/typeorm/sqlite-driver.js';
import { ConnectionPool, LARGEST_POOL } from '../../lib/typeorm/sqlite-pool.js';
import { gate } from '../support/gate.js';

/** A pool whose connections the test opens and closes. */
function poolOf(
  opener: {
    connect?: () => Promise<SqliteConnection>;
    disconnect?: () => Promise<void>;
    isWaitedFor?: () => boolean;
  } = {},
) {
  const closed: SqliteConnection[] = [];
  const pool = new ConnectionPool({
    connect: opener.connect ?? (async () => ({})),
    disconnect: async (connection) => {
      closed.push(connection);
      await opener.disconnect?.();
    },
    isWaitedFor: opener.isWaitedFor ?? (() => false),
  });
  return { pool, closed };
}

describe('The pool of connections to an SQLite file', () => {
  it('passes a connection to the next scope, also when the last one cannot be closed', async () => {
    const { pool } = poolOf({ disconnect: () => Promise.reject(new Error('busy')) });
    const taken = await Promise.all(
      Array.from({ length: LARGEST_POOL }, (_, scope) => pool.take(scope)),
    );
    const next = pool.take('next');
    await expect(pool.giveBack(taken[0]!, true)).rejects.toThrow('busy');
    expect((await next).connection).not.toBe(taken[0]!.connection);
    expect(pool.size).toBe(LARGEST_POOL);
  });

  it('passes a connection beyond the maximum to work for which the others wait', async () => {
    let isWaitedFor = false;
    const { pool } = poolOf({ isWaitedFor: () => isWaitedFor });
    await Promise.all(Array.from({ length: LARGEST_POOL }, (_, scope) => pool.take(scope)));
    isWaitedFor = true;
    await pool.take('inside the transaction');
    expect(pool.size).toBe(LARGEST_POOL + 1);
  });

  it('closes all connections, also when one of them cannot be closed', async () => {
    const { pool, closed } = poolOf({ disconnect: () => Promise.reject(new Error('busy')) });
    await Promise.all([pool.take('one'), pool.take('other')]);
    await expect(pool.close()).rejects.toThrow('busy');
    expect(closed).toHaveLength(2);
  });

  it('closes what was being opened when it was closed, and refuses the scope that waits for it', async () => {
    const opening = gate<SqliteConnection>();
    const { pool, closed } = poolOf({ connect: () => opening.opened });
    const taking = pool.take('scope');
    await pool.close();
    const connection = {};
    opening.open(connection);
    await expect(taking).rejects.toThrow('The data source was destroyed');
    expect(closed).toEqual([connection]);
    expect(pool.size).toBe(0);
  });

  it('closes what it has just assigned to a waiting scope', async () => {
    const { pool, closed } = poolOf();
    const taken = await Promise.all(
      Array.from({ length: LARGEST_POOL }, (_, scope) => pool.take(scope)),
    );
    const next = pool.take('next');
    await pool.giveBack(taken[0]!, false);
    await pool.close();
    expect((await next).connection).toBe(taken[0]!.connection);
    expect(closed).toHaveLength(LARGEST_POOL);
    expect(pool.size).toBe(0);
  });
});
