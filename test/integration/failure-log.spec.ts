import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ConsoleLogger, Injectable, type LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  BackgroundWorker,
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerEvents,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type Tick,
} from '../../lib/index.js';

class NotFoundError extends Error {
  override readonly name = 'NotFoundError';
  readonly code = 'P2025';
}

@ScopedWorker()
class Job {
  @ScopedInterval(3_600_000)
  run({ payload }: Tick): void {
    throw payload as Error;
  }
}

/** Runs a tick that fails, with this logger. */
async function failWith(logger: LoggerService, error: unknown): Promise<string> {
  const app = await Test.createTestingModule({
    imports: [ScopedWorkerModule.forRoot()],
    providers: [Job],
  })
    .setLogger(logger)
    .compile();
  await app.init();
  const { tickId } = await app.get(ScopedWorkerRegistry).run('Job.run', { payload: error });
  await app.close();
  return tickId;
}

/** What is written to standard error while `work` runs. */
async function written(work: () => Promise<unknown>): Promise<string> {
  let text = '';
  const write = jest.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  await work();
  write.mockRestore();
  return text;
}

const error = (): Error => new Error('no luck', { cause: new NotFoundError('no such row') });

describe('The log of a failure', () => {
  afterEach(() => void jest.restoreAllMocks());

  it('is the message once, then the stack, the causes and own properties, with ConsoleLogger', async () => {
    const logger = new ConsoleLogger({ colors: false, logLevels: ['error'] });
    const text = await written(() => failWith(logger, error()));
    expect(text).toMatch(
      /ERROR \[ScopedWorker\] Job\.run failed \(.+, phase handler\): no luck\n {4}at .+\n[^]+\[cause\]: NotFoundError: no such row\n[^]+code: 'P2025'\n {2}}\n}\n$/,
    );
    expect(text.match(/no luck/g)).toHaveLength(1);
  });

  it('is one object of message, stack and context, with a ConsoleLogger that writes JSON', async () => {
    const logger = new ConsoleLogger({ json: true, colors: false, logLevels: ['error'] });
    const text = await written(() => failWith(logger, error()));
    expect(JSON.parse(text)).toMatchObject({
      level: 'error',
      context: 'ScopedWorker',
      message: expect.stringMatching(/^Job\.run failed \(.+, phase handler\): no luck$/),
      stack: expect.stringMatching(/^ {4}at .+\n[^]+NotFoundError: no such row\n[^]+'P2025'/),
    });
  });

  it('passes to a logger of the application the message, the stack and the context', async () => {
    const errors = jest.fn();
    const nothing = (): void => undefined;
    const tickId = await failWith({ log: nothing, warn: nothing, error: errors }, error());
    expect(errors.mock.calls).toEqual([
      [
        `Job.run failed (${tickId}, phase handler): no luck`,
        expect.stringMatching(/^ {4}at .+\n[^]+NotFoundError: no such row\n[^]+'P2025'/),
        'ScopedWorker',
      ],
    ]);
  });

  it('has the same of a background worker and of a listener', async () => {
    @Injectable()
    class Loop extends BackgroundWorker {
      async execute(): Promise<void> {
        throw error();
      }
    }
    const errors = jest.fn();
    const nothing = (): void => undefined;
    const app = await Test.createTestingModule({
      imports: [ScopedWorkerModule.forRoot()],
      providers: [Loop],
    })
      .setLogger({ log: nothing, warn: nothing, error: errors })
      .compile();
    const failed = new Promise((resolve) =>
      app.get(ScopedWorkerEvents).once('background:failed', (failure) => {
        resolve(failure);
        throw error();
      }),
    );
    await app.init();
    await failed;
    await app.close();
    expect(errors.mock.calls).toHaveLength(2);
    for (const [message, stack] of errors.mock.calls) {
      expect(message).toMatch(
        /^(Loop\.execute|A listener for background:failed) failed.*: no luck$/,
      );
      expect(stack).toMatch(/^ {4}at .+\n[^]+NotFoundError: no such row\n[^]+'P2025'/);
    }
  });
});
