import { describe, expect, it } from '@jest/globals';
import { quietFor } from '../support/gate.js';
import { builtPrograms, startProgram } from '../support/programs.js';

const folder = builtPrograms();

describe.each(['context', 'http'])(
  "A background worker that fails in an application of kind '%s'",
  (kind) => {
    it("[D13] with 'stop-app' the application drains, closes with all its hooks, and the process ends with 1", async () => {
      const program = startProgram(folder, 'background-stop-app', kind, 'stop-app');
      expect(await program.ended).toEqual({
        code: 1,
        signal: null,
        lines: [
          'worker fails',
          'Sync failed, restart in undefined',
          'other ended',
          'pool destroyed',
          'application shut down',
        ],
      });
    });

    it("[D13] with 'stop-app' an exit code that is set already is kept", async () => {
      const program = startProgram(folder, 'background-stop-app', kind, 'stop-app', '3');
      expect((await program.ended).code).toBe(3);
    });

    it.each(['restart', 'ignore'])("[D13] with '%s' the application goes on", async (policy) => {
      const program = startProgram(folder, 'background-stop-app', kind, policy);
      await program.wrote('worker fails');
      await quietFor(300);
      program.kill('SIGKILL');
      const { signal, lines } = await program.ended;
      expect(signal).toBe('SIGKILL');
      expect(lines).not.toContain('other ended');
    });
  },
);
