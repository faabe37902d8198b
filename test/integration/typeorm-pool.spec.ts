import { closeApps } from '../support/app.js';
import { gate } from '../support/gate.js';
import { startNoteApp, type NoteApp, type NoteScope } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import { aborted, idleInTransaction, poolOf } from '../support/scoped-typeorm.js';

const TICKS = 500;
const AT_ONCE = 8; // more than the pool has, so that ticks wait for connections

describe('The pool', () => {
  const database = testDatabase();
  beforeEach(() => database.query('DROP TABLE IF EXISTS notes'));
  afterEach(closeApps);

  const write = ({ notes }: NoteScope): Promise<unknown> => notes.save({ text: 'x' });
  const waitForEnd = async (scope: NoteScope): Promise<void> => {
    await write(scope);
    await aborted(scope.tick.signal);
  };

  /** Every way in which a tick ends, with and without statements. */
  const ways: readonly ((test: NoteApp) => Promise<string>)[] = [
    (test) => tick(test, 'work', write),
    (test) => tick(test, 'work', () => undefined),
    (test) =>
      tick(test, 'work', async (scope) => {
        await write(scope);
        throw new Error('no more');
      }),
    (test) => tick(test, 'work', ({ manager }) => manager.query('SELECT 1/0')),
    (test) =>
      tick(test, 'work', async (scope) => {
        await write(scope);
        await scope.manager.query('SELECT 1/0').catch(() => undefined);
      }),
    (test) => tick(test, 'hurry', waitForEnd),
    async (test) => {
      const inside = gate();
      const outcome = tick(test, 'work', async (scope) => {
        inside.open();
        await waitForEnd(scope);
      });
      await inside.opened;
      test.registry.cancel('work');
      return outcome;
    },
  ];

  async function tick(
    test: NoteApp,
    schedule: 'work' | 'hurry',
    script: NoteApp['script'],
  ): Promise<string> {
    const { outcome } = await test.registry.run(schedule, { payload: script });
    return outcome;
  }

  it.each([{ transaction: false }, { transaction: true }])(
    `[B28] keeps no connection after ${TICKS} mixed ticks with %j`,
    async (options) => {
      const test = await startNoteApp(database, options);
      test.script = (scope) => (scope.tick.payload as NoteApp['script'])(scope);
      const outcomes = new Map<string, number>();
      let next = 0;
      const run = async (): Promise<void> => {
        while (next < TICKS) {
          const way = ways[(next += 1) % ways.length]!;
          const outcome = await way(test);
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, run));

      expect([...outcomes.values()].reduce((sum, count) => sum + count)).toBe(TICKS);
      for (const outcome of ['succeeded', 'failed', 'cancelled', 'timed-out']) {
        expect(outcomes.get(outcome)).toBeGreaterThan(0);
      }
      const pool = poolOf(test);
      expect(pool.totalCount).toBeGreaterThan(0);
      expect(pool.totalCount).toBeLessThanOrEqual(5);
      expect(pool.idleCount).toBe(pool.totalCount);
      expect(pool.waitingCount).toBe(0);
      expect(await idleInTransaction(database)).toBe(0);
      const { openedScopes, closedScopes } = test.registry.stats();
      expect({ openedScopes, closedScopes }).toEqual({ openedScopes: TICKS, closedScopes: TICKS });
    },
  );
});
