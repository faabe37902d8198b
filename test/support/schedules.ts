import type { Engine, EngineHost } from '../../lib/engine/engine.js';
import { CronExpression } from '../../lib/schedule/cron-expression.js';
import { resolveHandlerOptions, type HandlerOptions } from '../../lib/schedule/handler-options.js';
import type { EngineSchedule, Schedule } from '../../lib/schedule/schedule.js';
import type { Slot } from '../../lib/schedule/slot.js';
import { CronTimeline, intervalTimeline, timeoutTimeline } from '../../lib/schedule/timeline.js';
import { gate, type Gate } from './gate.js';

/** A schedule for tests of an engine, which never looks at the worker. */
function schedule(
  given: Pick<Schedule, 'name' | 'kind' | 'timeline'> & Partial<Schedule>,
  options: HandlerOptions,
): Schedule {
  return {
    handler: `Worker.${given.name}`,
    expression: undefined,
    everyMs: undefined,
    isOff: false,
    options: resolveHandlerOptions(given.kind, options),
    target: { worker: undefined as never, method: given.name },
    ...given,
  };
}

/** In UTC. */
export function cron(name: string, expression: string, options: HandlerOptions = {}): Schedule {
  const time = new CronExpression(expression, { timeZone: 'UTC', utcOffset: undefined });
  return schedule({ name, kind: 'cron', expression, timeline: new CronTimeline(time) }, options);
}

export function interval(name: string, everyMs: number, options: HandlerOptions = {}): Schedule {
  return schedule(
    { name, kind: 'interval', everyMs, timeline: intervalTimeline(everyMs) },
    options,
  );
}

export function timeout(name: string, delayMs: number, options: HandlerOptions = {}): Schedule {
  return schedule(
    { name, kind: 'timeout', everyMs: delayMs, timeline: timeoutTimeline(delayMs) },
    options,
  );
}

/** The host of an engine that records what it receives; its ticks end at once, or when the test opens their gate. */
export class RecordingHost implements EngineHost {
  readonly fired: string[] = [];
  readonly lost: string[] = [];
  readonly slots: Slot[] = [];
  readonly running: Gate[] = [];

  constructor(private readonly holds = false) {}

  fire(slot: Slot): Promise<void> {
    this.slots.push(slot);
    this.fired.push(written(slot));
    if (!this.holds) return Promise.resolve();
    const held = gate();
    this.running.push(held);
    return held.opened;
  }

  missed(slots: readonly Slot[]): void {
    this.lost.push(...slots.map(written));
  }
}

/** A slot as `name HH:MM:SS.mmm`, in UTC. */
function written({ schedule: { name }, scheduledAt }: Slot): string {
  return `${name} ${scheduledAt.toISOString().slice(11, -1)}`;
}

/** Starts an engine with these schedules. */
export async function startEngine(
  engine: Engine,
  schedules: readonly EngineSchedule[],
  holds = false,
): Promise<RecordingHost> {
  const host = new RecordingHost(holds);
  await engine.start(schedules, host);
  return host;
}
