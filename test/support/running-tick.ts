import type { Tick } from '../../lib/index.js';
import { startApp, type TestApp, type TestAppOptions } from './app.js';
import { gate, turn } from './gate.js';
import { worker } from './probes.js';

/** Starts an application with one worker and a tick of it that runs when this resolves. */
export async function runningTick(
  handler: (tick: Tick) => unknown,
  options: TestAppOptions['options'] = {},
  providers: TestAppOptions['providers'] = [],
) {
  const begun = gate<Tick>();
  const handlerOf = (tick: Tick): unknown => {
    begun.open(tick);
    return handler(tick);
  };
  const test = await startApp({ options, providers: [worker([], handlerOf), ...providers] });
  const report = test.registry.run('Worker.run');
  return { ...test, report, tick: await begun.opened };
}

/** Waits until the tick is aborted, then rejects as `fetch` and other APIs that take a signal do. */
export function untilAborted({ signal }: Tick): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error)),
  );
}

/** Whether `app.close()` has resolved. */
export function closing({ app }: Pick<TestApp, 'app'>): { done: boolean; promise: Promise<void> } {
  const state = { done: false, promise: Promise.resolve() };
  state.promise = app.close().then(() => void (state.done = true));
  return state;
}

/** Lets some turns of the event loop pass. */
export async function turns(): Promise<void> {
  for (let count = 0; count < 10; count += 1) await turn();
}
