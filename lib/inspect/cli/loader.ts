// Loads an application in a child process, which answers to its parent and is killed by it.
import 'reflect-metadata'; // before any decorator of the application
import { setImmediate } from 'node:timers/promises';
import { CannotInspect } from './cannot-inspect.js';
import { loadAndInspect } from './load-and-inspect.js';
import { OpenedConnections } from './side-effects.js';
import { OpenResources } from './open-resources.js';
import { STAGES, type LoaderMessage, type LoadRequest, type Stage } from './protocol.js';
import { StrayErrors } from './stray-errors.js';
import { thrownText } from './thrown-text.js';

process.once('message', (request: LoadRequest) => void load(request));
process.on('disconnect', () => process.exit());

async function load(request: LoadRequest): Promise<void> {
  const { shownFile, timeoutMs } = request;
  const connections = new OpenedConnections();
  const strays = new StrayErrors();
  const resources = new OpenResources();
  let stage: Stage = 'file';
  const enter = (next: Stage): void => {
    stage = next;
    say({ kind: 'stage', stage });
  };
  enter('file');
  // Only the application keeps this process alive from here on, so `beforeExit` shows that nothing is left to wait for.
  process.channel?.unref();
  const refuse = (...sentences: string[]): void => {
    const told = [...sentences, ...connections.notes(), ...strays.notes()];
    answer({ kind: 'refused', reason: told.join('\n') });
  };
  process.on('beforeExit', () => {
    refuse(
      `${shownFile} stopped ${STAGES[stage]}, because it awaits a promise that never settles.`,
    );
  });
  setTimeout(() => {
    refuse(
      `${shownFile} did not load within ${timeoutMs} ms: the time ran out ${STAGES[stage]}. Raise --timeout, or look for an await that needs a running application.`,
      ...resources.notes(),
    );
  }, timeoutMs).unref();

  process.argv = [process.argv[0]!, request.file];
  try {
    const { application, inspection } = await loadAndInspect(request, enter);
    await setImmediate(); // Node reports unhandled rejections after all microtasks
    const notes = [...inspection.notes, ...connections.notes(), ...strays.notes()];
    answer({ kind: 'inspected', application, inspection: { ...inspection, notes } });
  } catch (error) {
    refuse(
      error instanceof CannotInspect
        ? error.message
        : `The inspector failed for ${shownFile}: ${(error as Error)?.stack ?? thrownText(error)}`,
    );
  }
}

function say(message: LoaderMessage): void {
  process.send?.(message);
}

/** Sends the answer, and keeps this process alive until the parent kills it. */
function answer(message: LoaderMessage): void {
  say(message);
  process.channel?.ref();
}
