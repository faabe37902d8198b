import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  CannotInspect,
  STAGES,
  type Inspected,
  type PreviewRequest,
  type PreviewMessage,
  type Stage,
} from './protocol.js';

const PREVIEW = fileURLToPath(new URL('./preview.js', import.meta.url));

/** The extra time in which the loader itself can report the timeout. A loader with a blocked event loop can't do so. */
const GRACE_MS = 1_000;

/** Signals that end this process. A blocked child wouldn't notice them. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Loads and inspects the application in a child process. The parent reports a child that exits, waits forever, blocks or
 * crashes, and kills the child once it has answered. The child's output goes to stderr.
 *
 * @throws {CannotInspect} if the child refuses the request, or doesn't answer.
 */
export function inspectApplication(request: PreviewRequest): Promise<Inspected> {
  // The child has its own process group, so that `kill()` also ends the processes that the application has started.
  const detached = process.platform !== 'win32';
  const child = fork(PREVIEW, [], { stdio: ['ignore', 2, 2, 'ipc'], detached });
  const kill = (): void => {
    try {
      if (detached && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      else child.kill('SIGKILL');
    } catch {
      // the child and all processes that it had started have ended
    }
  };
  const release = (): void => {
    process.removeListener('exit', kill);
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    kill();
    release();
    process.kill(process.pid, signal);
  };
  process.once('exit', kill);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return answerOf(child, request).finally(() => {
    release();
    kill();
  });
}

function answerOf(child: ChildProcess, request: PreviewRequest): Promise<Inspected> {
  const { shownFile, timeoutMs } = request;
  return new Promise((resolve, reject) => {
    let stage: Stage = 'file';
    let overdue: NodeJS.Timeout | undefined;
    const refuse = (reason: string): void => {
      clearTimeout(overdue);
      reject(new CannotInspect(reason));
    };
    child.on('message', (message: PreviewMessage) => {
      switch (message?.kind) {
        case 'stage':
          stage = message.stage;
          overdue ??= setTimeout(() => {
            refuse(
              `${shownFile} blocked its process for more than ${timeoutMs} ms ${STAGES[stage]}. Look for an endless loop.`,
            );
          }, timeoutMs + GRACE_MS);
          break;
        case 'inspected':
          clearTimeout(overdue);
          resolve(message.inspected);
          break;
        case 'refused':
          refuse(message.reason);
      }
    });
    child.on('error', (error) => refuse(`Cannot start a child process: ${error.message}`));
    child.on('exit', (code, signal) => {
      const how = signal === null ? `with exit code ${code}` : `on ${signal}`;
      refuse(
        `The process of ${shownFile} ended ${how} ${STAGES[stage]}. Pass the file of the root module, not one that starts the application.`,
      );
    });
    // The listeners above report a process that can't start or has exited.
    child.send(request, () => undefined);
  });
}
