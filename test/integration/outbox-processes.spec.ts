import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { eventually } from '../support/outbox.js';
import { testDatabase } from '../support/postgres.js';
import { builtPrograms, startProgram } from '../support/programs.js';

jest.setTimeout(300_000); // far more than it takes on a machine that does nothing else

const MESSAGES = 10_000;
/** The first process stalls long before it could have had its half of the rest. */
const STALL_AFTER = 1_500;
const ADDED_MEANWHILE = 2_000;

const patiently = { withinMs: 140_000, everyMs: 250 };

const folder = builtPrograms();

describe('An outbox', () => {
  const children = new Set<ChildProcess>();
  // Registered first, so that the database is removed when no process uses it.
  afterAll(() => children.forEach((child) => child.kill('SIGKILL')));
  const database = testDatabase();

  beforeAll(async () => {
    await database.query(`
      CREATE TABLE outbox (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        "availableAt" timestamptz NOT NULL DEFAULT now(),
        deliveries int NOT NULL DEFAULT 0
      )`);
    await database.query('CREATE INDEX ON outbox ("availableAt", id)');
    await database.query(`
      CREATE TABLE handled (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        message int NOT NULL, deliveries int NOT NULL, scope text NOT NULL, process int NOT NULL, use int NOT NULL
      )`);
  });

  /** A process that works it off, and what it writes. */
  function start(...args: string[]): { child: ChildProcess; lines: string[] } {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const program = join(folder, 'outbox-worker.js');
    const child = spawn(process.execPath, [program, database.url, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(child);
    const lines: string[] = [];
    for (const output of [child.stdout, child.stderr]) {
      createInterface({ input: output }).on('line', (line) => lines.push(line));
    }
    return { child, lines };
  }

  const add = (messages: number): Promise<unknown> =>
    database.query('INSERT INTO outbox SELECT FROM generate_series(1, $1::int)', [messages]);
  const count = async (sql: string): Promise<number> => {
    const [row] = await database.query<{ count: number }>(`SELECT count(*)::int AS count ${sql}`);
    return row!.count;
  };

  it('[G1, G5, G8] is worked off by two processes, one of which is killed: nothing is lost, each delivery has a scope', async () => {
    await add(MESSAGES - ADDED_MEANWHILE);
    const doomed = start(String(STALL_AFTER));
    const survivor = start();
    await eventually('one stalls', () => doomed.lines.includes('stalled'), patiently);
    await add(ADDED_MEANWHILE);
    doomed.child.kill('SIGKILL');
    expect(await once(doomed.child, 'exit')).toEqual([null, 'SIGKILL']);
    await eventually('all is done', async () => (await count('FROM outbox')) === 0, patiently);
    survivor.child.kill('SIGTERM');
    expect(await once(survivor.child, 'exit')).toEqual([null, 'SIGTERM']);

    expect(await count('FROM (SELECT DISTINCT message FROM handled) AS handled')).toBe(MESSAGES);
    const deliveries = await count('FROM handled');
    expect(await count('FROM (SELECT DISTINCT process, scope FROM handled) AS scopes')).toBe(
      deliveries,
    );
    expect(await count('FROM handled WHERE use <> 1')).toBe(0);
    expect(await count(`FROM handled WHERE process = ${doomed.child.pid}`)).toBe(STALL_AFTER);
    // The five that the killed process held came back, as second deliveries.
    expect(await count('FROM handled WHERE deliveries > 1')).toBeGreaterThanOrEqual(5);
    expect({ doomed: doomed.lines, survivor: survivor.lines }).toEqual({
      doomed: ['ready', 'stalled'],
      survivor: ['ready'],
    });
  });
});

describe('A message that kills its process', () => {
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
