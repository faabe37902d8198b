import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ScopeInspection } from '../inspection.js';
import { CannotInspect } from './cannot-inspect.js';
import { STAGES, type LoadRequest, type LoaderMessage, type Stage } from './loading/protocol.js';

/** What was read from an application. */
export interface Inspected {
  /** The root module, by its name. */
  readonly application: string;
  /** Its file, as it was given. */
  readonly file: string;
  readonly inspection: ScopeInspection;
}

const LOADER = fileURLToPath(new URL('./loading/loader.js', import.meta.url));

/** The loader says itself that the time is up. When its event loop is blocked, it cannot, and is not waited for any longer. */
const GRACE_MS = 1_000;

/** What ends this process from outside; its child would not hear of it while it is blocked. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Loads the application in a process of its own and inspects it there. Whatever that process does (print, exit, wait for ever,
 * block, crash), it can be told from here, and nothing of it outlives the answer. What it prints goes to stderr.
 *
 * @throws {CannotInspect} when there is no answer.
 */
export function inspectApplication(request: LoadRequest): Promise<Inspected> {
  // A process group of its own, so that the processes which the application has started end with it.
  const detached = process.platform !== 'win32';
  const child = fork(LOADER, [], { stdio: ['ignore', 2, 2, 'ipc'], detached });
  const kill = (): void => {
    try {
      if (detached && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      else child.kill('SIGKILL');
    } catch {
      // it has ended, and so have all that it had started
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

function answerOf(child: ChildProcess, request: LoadRequest): Promise<Inspected> {
  const { shownFile, timeoutMs } = request;
  return new Promise((resolve, reject) => {
    let stage: Stage = 'file';
    let overdue: NodeJS.Timeout | undefined;
    const refuse = (reason: string): void => {
      clearTimeout(overdue);
      reject(new CannotInspect(reason));
    };
    child.on('message', (message: LoaderMessage) => {
      switch (message?.kind) {
        case 'stage':
          stage = message.stage;
          overdue ??= setTimeout(() => {
            refuse(
              `${shownFile} has blocked its process for more than ${timeoutMs} ms ${STAGES[stage]}, perhaps in an endless loop.`,
            );
          }, timeoutMs + GRACE_MS);
          break;
        case 'inspected':
          clearTimeout(overdue);
          resolve({
            application: message.application,
            file: shownFile,
            inspection: message.inspection,
          });
          break;
        case 'refused':
          refuse(message.reason);
      }
    });
    child.on('error', (error) => refuse(`No process could be started: ${error.message}`));
    child.on('exit', (code, signal) => {
      const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
      refuse(
        `${shownFile} ended its process ${how} ${STAGES[stage]}. Give the file that holds the root module, not one that starts the application.`,
      );
    });
    // A process that cannot even start is told by its exit.
    child.send(request, () => undefined);
  });
}
