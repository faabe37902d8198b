// The process in which an application is loaded. It answers to the one that has started it, and is killed by that.
import 'reflect-metadata'; // before any decorator of the application
import { setImmediate } from 'node:timers/promises';
import { CannotInspect } from '../cannot-inspect.js';
import { loadAndInspect } from './load-and-inspect.js';
import { OpenedConnections } from './opened-connections.js';
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
  // From here on only the application keeps this process alive: when nothing is left to wait for, that is seen at once.
  process.channel?.unref();
  const refuse = (...sentences: string[]): void => {
    const told = [...sentences, ...connections.notes(), ...strays.notes()];
    answer({ kind: 'refused', reason: told.join('\n') });
  };
  process.on('beforeExit', () => {
    refuse(
      `${shownFile} waits for something that can never come (a promise that nobody settles), ${STAGES[stage]}.`,
    );
  });
  setTimeout(() => {
    refuse(
      `${shownFile} was not loaded within ${timeoutMs} ms: the time was up ${STAGES[stage]}. Give it more time with --timeout, or look for something that is awaited there and needs a running application.`,
      ...resources.notes(),
    );
  }, timeoutMs).unref();

  process.argv = [process.argv[0]!, request.file];
  try {
    const { application, inspection } = await loadAndInspect(request, enter);
    await setImmediate(); // Node tells rejections that nobody handles when all microtasks are done
    const notes = [...inspection.notes, ...connections.notes(), ...strays.notes()];
    answer({ kind: 'inspected', application, inspection: { ...inspection, notes } });
  } catch (error) {
    refuse(
      error instanceof CannotInspect
        ? error.message
        : `The inspector failed at ${shownFile}: ${(error as Error)?.stack ?? thrownText(error)}`,
    );
  }
}

function say(message: LoaderMessage): void {
  process.send?.(message);
}

/** The last word: this process waits until it was heard, and is killed then. */
function answer(message: LoaderMessage): void {
  say(message);
  process.channel?.ref();
}
