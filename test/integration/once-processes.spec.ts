import { describe, expect, it, jest } from '@jest/globals';
import { CreateScopedWorkerOnce1764374400000 } from '../../lib/typeorm/index.js';
import { eventually } from '../support/outbox.js';
import { testDatabase } from '../support/postgres.js';
import { builtPrograms, startProgram } from '../support/programs.js';
import { DataSource } from 'typeorm';

jest.setTimeout(300_000); // far more than it takes on a machine that does nothing else

const folder = builtPrograms();

describe('A process that is killed after its commit', () => {
  const database = testDatabase();

  it('[H22, H23] has done its message once, although the message is delivered again', async () => {
    await database.query(`
      CREATE TABLE outbox (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        "availableAt" timestamptz NOT NULL DEFAULT now(),
        deliveries int NOT NULL DEFAULT 0
      )`);
    await database.query(
      'CREATE TABLE effects (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message int NOT NULL)',
    );
    const migrations = [CreateScopedWorkerOnce1764374400000];
    const source = new DataSource({ type: 'postgres', url: database.url, migrations });
    await source.initialize();
    await source.runMigrations();
    await source.destroy();
    await database.query('INSERT INTO outbox SELECT FROM generate_series(1, 2)');

    for (let kill = 0; kill < 2; kill += 1) {
      const { signal } = await startProgram(folder, 'once-outbox', database.url, 'die').ended;
      expect(signal).toBe('SIGKILL');
    }
    const survivor = startProgram(folder, 'once-outbox', database.url, 'live');
    await eventually(
      'the outbox is empty',
      async () => (await database.query('SELECT id FROM outbox')).length === 0,
    );
    survivor.kill('SIGTERM');
    const { lines } = await survivor.ended;

    const effects = await database.query('SELECT message FROM effects ORDER BY message');
    expect(effects).toEqual([{ message: 1 }, { message: 2 }]);
    // Each process that was killed did one message, or found one done.
    expect(lines.filter((line) => line.endsWith('already-done')).length).toBeGreaterThan(0);
    expect(await database.query('SELECT work FROM scoped_worker_once ORDER BY work')).toEqual([
      { work: 'message 1' },
      { work: 'message 2' },
    ]);
  });
});
