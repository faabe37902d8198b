import { bare, isFactory, type NestWrapper } from '../nest/index.js';
import type { HandlerTarget } from '../schedule/schedule.js';
import { isShared } from '../scope/ownership.js';
import { getOrAdd } from '../util/values.js';
import type { TickFindings } from './tick-ports.js';

/** The number of calls that are checked for each handler. */
const SAMPLES = 3;

/** Marks a reported handler. Unlike a count of 0, this value also ends the check of calls that are still running. */
const DONE = -1;

type Fields = ReadonlyMap<string, unknown>;

/**
 * Compares the fields of a worker before and after its handler runs. Values that a handler leaves there are lost, because the next
 * tick has another instance. Each handler is checked on its first few calls, and reported at most once.
 */
export class WorkerState {
  /** The number of calls still to be checked, by provider and method; `DONE` once the handler has been reported. */
  readonly #left = new WeakMap<NestWrapper, Map<string, number>>();
  /** The instances that factories have returned, by provider. */
  readonly #returned = new WeakMap<NestWrapper, WeakSet<object>>();

  constructor(private readonly findings: TickFindings) {}

  /**
   * Begins checking a call.
   *
   * @returns undefined if this call isn't checked; otherwise, an object whose `end()` must be called when the handler has settled.
   */
  begin({ worker, method }: HandlerTarget, instance: unknown): { end(): void } | undefined {
    if (worker === undefined) return undefined;
    const left = getOrAdd(this.#left, worker, () => new Map());
    const samples = left.get(method) ?? SAMPLES;
    if (samples <= 0 || this.mayOutliveTick(worker, instance)) return undefined;
    left.set(method, samples - 1);
    const before = fieldsOf(instance);
    return {
      end: () => {
        if (left.get(method) === DONE) return;
        const fields = changedFields(before, fieldsOf(instance));
        if (fields.length === 0) return;
        left.set(method, DONE);
        this.findings.stateLeft(worker, method, fields);
      },
    };
  }

  /**
   * Returns true if a factory might return the object to a later tick too, in which case no state is lost. This applies to an
   * object marked as shared, to the first object that the factory returns, and to an object that the factory has returned before.
   */
  private mayOutliveTick(worker: NestWrapper, instance: unknown): boolean {
    if (!isFactory(worker) || typeof instance !== 'object' || instance === null) return false;
    const object = bare(instance);
    if (isShared(object)) return true;
    const returned = this.#returned.get(worker);
    if (returned === undefined) this.#returned.set(worker, new WeakSet([object]));
    if (returned === undefined || returned.has(object)) return true;
    returned.add(object);
    return false;
  }
}

/** Returns an instance's own data fields, by name. Getters aren't called, because reading must not change anything. */
function fieldsOf(instance: unknown): Fields {
  const fields = new Map<string, unknown>();
  if (typeof instance !== 'object' || instance === null) return fields;
  try {
    for (const [name, field] of Object.entries(Object.getOwnPropertyDescriptors(instance)))
      if ('value' in field) fields.set(name, field.value);
  } catch {
    return new Map(); // a proxy that throws on inspection
  }
  return fields;
}

/** Returns the names of the changed fields, except cleared ones, which hold no state. */
function changedFields(before: Fields, after: Fields): string[] {
  return [...after]
    .filter(
      ([name, value]) =>
        value !== undefined && value !== null && !Object.is(before.get(name), value),
    )
    .map(([name]) => name);
}
