import { beforeAll, describe, expect, it } from '@jest/globals';
import { testDatabase } from '../support/postgres.js';
import { builtPrograms, startProgram } from '../support/programs.js';

describe('A message that kills its process', () => {
  const folder = builtPrograms();
  const database = testDatabase();

  beforeAll(async () => {
    await database.query(`
      CREATE TABLE outbox (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        text text NOT NULL,
        "availableAt" timestamptz NOT NULL DEFAULT now(),
        deliveries int NOT NULL DEFAULT 0,
        "deadAt" timestamptz
      )`);
  });

  it('[XG4] is delivered maxDeliveries times, then it is a dead letter and the others are handled', async () => {
    await database.query(`INSERT INTO outbox (text) VALUES ('poison')`);
    for (let delivery = 1; delivery <= 3; delivery += 1) {
      const { ended } = startProgram(folder, 'poison-message', database.url);
      expect(await ended).toEqual({ code: null, signal: 'SIGKILL', lines: ['handled poison'] });
    }
    await database.query(`INSERT INTO outbox (text) VALUES ('good')`);
    const survivor = startProgram(folder, 'poison-message', database.url);
    await survivor.wrote('dead after 4 deliveries');
    await survivor.wrote('handled good');
    survivor.kill('SIGTERM');
    const { signal, lines } = await survivor.ended;
    expect([signal, [...lines].sort()]).toEqual([
      'SIGTERM',
      ['dead after 4 deliveries', 'handled good'],
    ]);
    expect(await database.query('SELECT text, "deadAt" IS NOT NULL AS dead FROM outbox')).toEqual([
      { text: 'poison', dead: true },
    ]);
  });
});
