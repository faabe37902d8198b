import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ScopeInspection } from '../inspection/inspection.js';
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

/**
 * Loads the application in a process of its own and inspects it there. Whatever that process does (print, exit, wait for ever,
 * block, crash), it can be told from here, and nothing of it outlives the answer. What it prints goes to stderr.
 *
 * @throws {CannotInspect} when there is no answer.
 */
export function inspectApplication(request: LoadRequest): Promise<Inspected> {
  const child = fork(LOADER, [], { stdio: ['ignore', 2, 2, 'ipc'] });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  return answerOf(child, request).finally(() => {
    process.removeListener('exit', kill);
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
