import type { NestWrapper } from '../nest/index.js';
import type { HandlerTarget } from '../schedule/schedule.js';
import type { TickObserver } from './tick-observer.js';
import type { TickSettings } from './tick-settings.js';

/** How many calls of a handler are looked at. */
const SAMPLES = 3;

/** Unlike a count of 0: calls that are under way are not looked at any more either. */
const DONE = -1;

type Fields = ReadonlyMap<string, unknown>;

/**
 * Looks at the fields of a worker before and after its handler. What a handler leaves there is lost, because the next tick
 * has another instance. Each handler is looked at in its first calls, and reported once.
 */
export class WorkerState {
  /** How many calls are still to be looked at, by provider and method; `DONE` when one was reported. */
  readonly #left = new WeakMap<NestWrapper, Map<string, number>>();

  constructor(
    private readonly settings: Pick<TickSettings, 'stateDetection'>,
    private readonly observer: Pick<TickObserver, 'stateLeft'>,
  ) {}

  /** @returns undefined when this call is not looked at; else `end()` is to be called when the handler has settled. */
  begin({ worker, method }: HandlerTarget, instance: unknown): { end(): void } | undefined {
    if (!this.settings.stateDetection || worker === undefined) return undefined;
    const left = this.leftOf(worker);
    const samples = left.get(method) ?? SAMPLES;
    if (samples <= 0) return undefined;
    left.set(method, samples - 1);
    const before = fieldsOf(instance);
    return {
      end: () => {
        if (left.get(method) === DONE) return;
        const fields = changedFields(before, fieldsOf(instance));
        if (fields.length === 0) return;
        left.set(method, DONE);
        this.observer.stateLeft(worker, method, fields);
      },
    };
  }

  private leftOf(worker: NestWrapper): Map<string, number> {
    let left = this.#left.get(worker);
    if (left === undefined) this.#left.set(worker, (left = new Map()));
    return left;
  }
}

/** Own fields that hold a value, by name. A getter is not called: reading must change nothing. */
function fieldsOf(instance: unknown): Fields {
  const fields = new Map<string, unknown>();
  if (typeof instance !== 'object' || instance === null) return fields;
  try {
    for (const [name, field] of Object.entries(Object.getOwnPropertyDescriptors(instance)))
      if ('value' in field) fields.set(name, field.value);
  } catch {
    return new Map(); // a proxy that does not like to be looked at
  }
  return fields;
}

/** A field that has been cleared holds no state. */
function changedFields(before: Fields, after: Fields): string[] {
  return [...after]
    .filter(
      ([name, value]) =>
        value !== undefined && value !== null && !Object.is(before.get(name), value),
    )
    .map(([name]) => name);
}
