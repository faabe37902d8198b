import { Injectable, type Type } from '@nestjs/common';
import { BackgroundWorker, type BackgroundFailurePolicy } from '../../lib/index.js';
import { startApp, type TestApp, type TestAppOptions } from './app.js';
import { advance } from './fake-clock.js';
import { gate } from './gate.js';
import { turns } from './running-tick.js';

/** What the background worker of a test does; `run` counts its runs from 1. */
export type Execute = (stopping: AbortSignal, run: number) => unknown;

/** A background worker class of this name. */
export function background(
  name: string,
  execute: Execute,
  policy: BackgroundFailurePolicy = 'restart',
): Type<BackgroundWorker> {
  let runs = 0;
  @Injectable()
  class Worker extends BackgroundWorker {
    override readonly onFailure = policy;

    override execute(stopping: AbortSignal): Promise<void> {
      runs += 1;
      return execute(stopping, runs) as Promise<void>;
    }
  }
  Object.defineProperty(Worker, 'name', { value: name });
  return Worker;
}

/** Lets background workers begin that are due to: after start-up, or after a pause that is over. For the fake clock. */
export async function begin(): Promise<void> {
  await advance(0);
  await turns();
}

/** Starts an application, on the fake clock, whose background worker `Sync` runs when this resolves. */
export async function runningBackground(
  execute: Execute,
  { providers = [], ...metadata }: TestAppOptions = {},
  policy?: BackgroundFailurePolicy,
): Promise<TestApp & { readonly stopping: AbortSignal }> {
  const begun = gate<AbortSignal>();
  const Sync = background(
    'Sync',
    (stopping, run) => {
      begun.open(stopping);
      return execute(stopping, run);
    },
    policy,
  );
  const test = await startApp({ ...metadata, providers: [Sync, ...providers] });
  await begin();
  return { ...test, stopping: await begun.opened };
}

/** Resolves when the signal is aborted. */
export function heard(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Rejects with the reason when the signal is aborted. */
export async function untilStopped(signal: AbortSignal): Promise<never> {
  await heard(signal);
  throw signal.reason;
}
