import type { HandlerDefaults, Tick } from '../../lib/index.js';
import { startApp, type TestApp } from './app.js';
import { YEARLY } from './probes.js';

export type Rule = Omit<HandlerDefaults, 'disabled' | 'timeZone' | 'utcOffset'>;

/** An application with schedules by name, of functions, that only `registry.run()` fires. */
export async function onDemandApp(
  schedules: Record<string, readonly [handler: (tick: Tick) => unknown, rule?: Rule]>,
): Promise<TestApp> {
  const test = await startApp({});
  for (const [name, [handler, rule]] of Object.entries(schedules))
    test.registry.add({ name, cron: YEARLY, handler, ...rule });
  return test;
}
