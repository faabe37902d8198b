import { describe, expect, it } from '@jest/globals';
import { builtPrograms, startProgram } from '../support/programs.js';

const folder = builtPrograms();

describe.each(['context', 'http'])(
  "A process that grows, with an application of kind '%s'",
  (kind) => {
    it('is stopped before it is killed: drained, disposed, closed with all hooks, and ends with 1', async () => {
      const { code, signal, lines } = await startProgram(folder, 'memory-stop', kind).ended;
      expect([code, signal]).toEqual([1, null]);
      expect(lines).toEqual([
        'warning warnAtMb',
        'stopping stopAtMb, growing Grower.grow',
        'other drained',
        'other scope disposed',
        'other succeeded',
        'pool destroyed',
        'application shut down',
      ]);
    });

    it('keeps an exit code that is set already', async () => {
      const { code } = await startProgram(folder, 'memory-stop', kind, '3').ended;
      expect(code).toBe(3);
    });
  },
);

describe('A process with a job that keeps 100 KB a tick beside one that replaces 320 KB', () => {
  it('names the first one, and how much it keeps', async () => {
    const { code, lines } = await startProgram(folder, 'memory-growth').ended;
    expect(lines).toEqual(['suspects both', 'grows Jobs.retain', 'leaves about 130 KB: true']);
    expect(code).toBe(0);
  });
});
