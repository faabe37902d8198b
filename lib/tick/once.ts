import { createHash } from 'node:crypto';
import type { OnceOptions } from '../schedule/handler-options.js';
import type { Slot } from '../schedule/slot.js';
import type { ScopeNotice } from '../scope/scope-ports.js';
import { show } from '../util/option-checks.js';

/**
 * Keeps the records of work that is done, in the database that this work is committed to. An integration with an ORM provides one for
 * each data source, and adds it to `OnceStores`. The transaction of a scope writes the record with its first statement: see
 * `onceRecordOf`.
 */
export interface OnceStore {
  /** The data source, as in `once: { dataSource }`. */
  readonly dataSource: string;
  /** Returns the reason why the store can't keep records, such as a missing table, as a sentence; undefined if it can. */
  problem(): Promise<string | undefined>;
  /** Deletes the records of work that was done before a time, until the signal is aborted. */
  deleteBefore(time: Date, signal: AbortSignal): Promise<void>;
}

/**
 * The stores of the application, by data source. Nest may wrap this object in a proxy, on which `#private` fields would throw.
 */
export class OnceStores {
  private readonly stores = new Map<string, OnceStore>();
  private readonly usedStores = new Set<OnceStore>();

  add(store: OnceStore): void {
    this.stores.set(store.dataSource, store);
  }

  /** Returns the store of a data source that a schedule uses; undefined if no module provides it. */
  use(dataSource: string): OnceStore | undefined {
    const store = this.stores.get(dataSource);
    if (store !== undefined) this.usedStores.add(store);
    return store;
  }

  get used(): readonly OnceStore[] {
    return [...this.usedStores];
  }
}

const DEFAULT_LOCK_TIMEOUT_MS = 5_000;

/** The work that an attempt has to record in the transaction of its scope, so that no other run repeats it. */
export class OnceRecord {
  /** Identifies the work: 64 hexadecimal digits, which fit every database and collation. */
  readonly id: string;
  /** True if another run has committed the work. */
  isDone = false;
  #hasBegun = false;
  #isRecorded = false;

  constructor(
    readonly schedule: string,
    /** The slot or the message, for people who read the table. */
    readonly work: string,
    private readonly options: OnceOptions,
    /** Throws if the attempt has been aborted. */
    readonly throwIfAborted: () => void,
    /** Called when it is clear that the work isn't done yet. */
    private readonly onBegin: () => void,
  ) {
    this.id = createHash('sha256').update(`${schedule}\0${work}`).digest('hex');
  }

  /** How long the transaction may wait for another run of the work, in milliseconds. */
  get lockTimeoutMs(): number {
    return this.options.lockTimeoutMs ?? DEFAULT_LOCK_TIMEOUT_MS;
  }

  /** Returns true for a transaction that must record the work: one on the data source, until the work is recorded. */
  isFor(dataSource: string): boolean {
    return !this.#isRecorded && this.options.dataSource === dataSource;
  }

  /** @param isNew false if the record of another run exists. */
  written(isNew: boolean): void {
    this.isDone = !isNew;
    this.#isRecorded = isNew;
    this.begin();
  }

  /** Begins the work, unless it is done or has begun. */
  begin(): void {
    if (this.isDone || this.#hasBegun) return;
    this.#hasBegun = true;
    this.onBegin();
  }
}

const records = new WeakMap<ScopeNotice, OnceRecord>();

/** Returns what a transaction has to record before its scope sends any other statement; undefined if it needs no record. */
export function onceRecordOf(scope: ScopeNotice | undefined): OnceRecord | undefined {
  return scope && records.get(scope);
}

/** Makes the transaction of a scope record the work. */
export function recordIn(scope: ScopeNotice, record: OnceRecord): void {
  records.set(scope, record);
}

/**
 * Returns what an attempt has to record.
 *
 * @throws the error of `itemKey`, or an Error if it returns no key, or if a message has no id.
 */
export function recordOf(
  { runningTick: { id, slot, payload }, control }: AttemptedWork,
  once: OnceOptions,
  begin: () => void,
): OnceRecord {
  const work = workOf(slot, id, payload, once);
  const throwIfAborted = (): void => control.throwIfAborted();
  return new OnceRecord(slot.schedule.name, work, once, throwIfAborted, begin);
}

interface AttemptedWork {
  readonly runningTick: { readonly id: string; readonly slot: Slot; readonly payload: unknown };
  readonly control: { throwIfAborted(): void };
}

/**
 * Returns the text that identifies the work of a tick among all ticks of its schedule. A run by hand and a run at start-up aren't
 * slots: each counts separately.
 */
function workOf(slot: Slot, tickId: string, payload: unknown, once: OnceOptions): string {
  const { trigger, scheduledAt, messageId, schedule } = slot;
  if (messageId === '') throw new Error(`${schedule.handler}: ${NO_ID}`);
  if (messageId !== undefined) return `message ${messageId}`;
  const time = scheduledAt.toISOString();
  if (trigger === 'manual' || trigger === 'start') return `${time}, ${tickId}`;
  if (schedule.options.forEach === undefined || once.itemKey === undefined) return time;
  const key: unknown = once.itemKey(payload as never);
  if ((typeof key === 'string' && key !== '') || Number.isFinite(key))
    return `${time}, item ${key as string | number}`;
  throw new Error(
    `${schedule.handler}: the itemKey of once must return a non-empty string or a number that identifies the item, not ${show(key)}.`,
  );
}

const NO_ID =
  'the message has no id, so the option once cannot recognize it when it is delivered again. Set the id of each Delivery in the source, or remove the option once.';
