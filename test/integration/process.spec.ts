import { describe, expect, it } from '@jest/globals';
import { quietFor } from '../support/gate.js';
import { builtPrograms, startProgram } from '../support/programs.js';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = builtPrograms();

describe('process', () => {
  describe('when SIGTERM comes, with shutdown hooks', () => {
    it.each([
      [
        'cancels the tick, disposes its scope before singletons go',
        'cancelled',
        ['tick aborted', 'scope disposed', 'tick cancelled'],
      ],
      [
        'lets the tick finish within drainTimeoutMs',
        'drained',
        ['tick done', 'scope disposed', 'tick succeeded'],
      ],
    ])('[D27] %s, and ends by the signal', async (_, way, end) => {
      const program = startProgram(folder, 'signalled', way);
      await program.wrote('tick runs');
      program.kill('SIGTERM');
      expect(await program.ended).toEqual({
        code: null,
        signal: 'SIGTERM',
        lines: ['tick runs', 'shutdown started', ...end, 'abandoned 0', 'pool destroyed'],
      });
    });

    it('[D8] stops waiting at a second SIGTERM, and ends by it', async () => {
      const program = startProgram(folder, 'signalled', 'stubborn');
      await program.wrote('tick runs');
      program.kill('SIGTERM');
      await program.wrote('tick aborted');
      program.kill('SIGTERM');
      expect(await program.ended).toEqual({
        code: null,
        signal: 'SIGTERM',
        lines: ['tick runs', 'shutdown started', 'tick aborted', 'abandoned 1', 'pool destroyed'],
      });
    });

    it('[D27] lets the tick finish when another application of the process has closed', async () => {
      const program = startProgram(folder, 'signalled', 'drained', 'beside-another');
      await program.wrote('tick runs');
      await program.wrote('ready');
      program.kill('SIGTERM');
      const { code, signal, lines } = await program.ended;
      expect([code, signal]).toEqual([null, 'SIGTERM']);
      expect(lines).toEqual(
        expect.arrayContaining(['other closed', 'tick succeeded', 'scope disposed', 'abandoned 0']),
      );
    });

    it('[D8] stops waiting at a second SIGTERM after another application has closed', async () => {
      const program = startProgram(folder, 'signalled', 'stubborn', 'beside-another');
      await program.wrote('tick runs');
      await program.wrote('ready');
      program.kill('SIGTERM');
      await program.wrote('other closed');
      await quietFor(100);
      program.kill('SIGTERM');
      const { signal, lines } = await program.ended;
      expect(signal).toBe('SIGTERM');
      expect(lines).toEqual(expect.arrayContaining(['abandoned 1', 'pool destroyed']));
    });

    it('[D8] goes on waiting without a second signal', async () => {
      const program = startProgram(folder, 'signalled', 'stubborn');
      await program.wrote('tick runs');
      program.kill('SIGTERM');
      await program.wrote('tick aborted');
      await quietFor(400);
      program.kill('SIGKILL');
      expect((await program.ended).lines).not.toContain('abandoned 1');
    });
  });

  it('[D27] keeps the exit code that the application has set', async () => {
    const program = startProgram(folder, 'signalled', 'own-exit-code');
    await program.wrote('tick runs');
    program.kill('SIGTERM');
    const { code, signal, lines } = await program.ended;
    expect([code, signal]).toEqual([7, null]);
    expect(lines).toEqual(expect.arrayContaining(['scope disposed', 'tick cancelled']));
  });

  it('[D8] ends by a signal that it does not handle, also while it closes', async () => {
    const program = startProgram(folder, 'signalled', 'without-hooks');
    await program.wrote('tick aborted');
    program.kill('SIGTERM');
    expect((await program.ended).signal).toBe('SIGTERM');
  });

  describe.each(['context', 'http'])("when a tick fails in an application of kind '%s'", (kind) => {
    it("[D13] with 'stop-app' the application drains, closes with all its hooks, and the process ends with 1", async () => {
      const { code, signal, lines } = await startProgram(folder, 'stop-app', kind, 'stop-app')
        .ended;
      expect([code, signal]).toEqual([1, null]);
      expect(lines.filter((line) => line !== 'ready')).toEqual([
        'tick fails',
        'other scope disposed',
        'pool destroyed',
        'application shut down',
      ]);
    });

    it("[D13] with 'stop-app' an exit code that is set already is kept", async () => {
      const { code } = await startProgram(folder, 'stop-app', kind, 'stop-app', '3').ended;
      expect(code).toBe(3);
    });

    it.each(['close-first', 'close', 'signal'])(
      "[D13] with 'stop-app' each hook runs once, even if the application is closed otherwise as well: %s",
      async (other) => {
        const { code, signal, lines } = await startProgram(
          folder,
          'stop-app',
          kind,
          'stop-app',
          other,
        ).ended;
        expect([code, signal]).toEqual([1, null]);
        const hooks = ['pool destroyed', 'application shut down'];
        expect(lines.filter((line) => hooks.includes(line))).toEqual(hooks);
      },
    );

    it("[D13] with 'continue' the application keeps running", async () => {
      const program = startProgram(folder, 'stop-app', kind, 'continue');
      await Promise.all([program.wrote('tick fails'), program.wrote('ready')]);
      await quietFor(300);
      program.kill('SIGKILL');
      const { signal, lines } = await program.ended;
      expect(signal).toBe('SIGKILL');
      expect(lines).not.toContain('pool destroyed');
    });
  });

  describe('when its schedules are idle', () => {
    it.each(['closed', 'closed-at-once'])(
      '[D41] exits once the application is closed, with no timer left: %s',
      async (way) => {
        const end = await startProgram(folder, 'idle', way).ended;
        expect(end).toEqual({ code: 0, signal: null, lines: ['timers 0', 'done', 'exit'] });
      },
    );

    it('[D41] exits by itself with inProcessEngine({ unref: true })', async () => {
      const end = await startProgram(folder, 'idle', 'unref').ended;
      expect(end).toEqual({ code: 0, signal: null, lines: ['done', 'exit'] });
    });

    it('[D41] stays alive without unref', async () => {
      const program = startProgram(folder, 'idle', 'idle');
      await program.wrote('done');
      await quietFor(500);
      program.kill('SIGKILL');
      expect(await program.ended).toMatchObject({ signal: 'SIGKILL', lines: ['done'] });
    });
  });
});

describe('docs/architecture.md', () => {
  it('names the files that a plain tick enters, and no others', async () => {
    const page = fileURLToPath(new URL('../../docs/architecture.md', import.meta.url));
    const named = [...readFileSync(page, 'utf8').matchAll(/^\| `([^`]+\.ts)` \|/gm)].map(
      ([, file]) => file,
    );
    const { code, lines } = await startProgram(folder, 'plain-tick').ended;
    expect(new Set(named)).toEqual(new Set(lines));
    expect(code).toBe(0);
  });
});

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

    it.each(['restart', 'ignore'])(
      "[D13] with '%s' the application keeps running",
      async (policy) => {
        const program = startProgram(folder, 'background-stop-app', kind, policy);
        await program.wrote('worker fails');
        await quietFor(300);
        program.kill('SIGKILL');
        const { signal, lines } = await program.ended;
        expect(signal).toBe('SIGKILL');
        expect(lines).not.toContain('other ended');
      },
    );
  },
);

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
