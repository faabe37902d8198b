import { isChoosingParentFor, REQUEST_CONTEXT_ID, type ContextId } from '../nest/index.js';
import type { Slot } from '../schedule/slot.js';
import type { Scope } from '../scope/scope.js';
import type { TickEvents } from './tick-ports.js';
import type { OnceRecord } from './once.js';
import { AttemptAbort } from './tick-signal.js';
import type { Tick } from './tick.interface.js';

/** The part of a running tick that its attempts share. */
type AttemptedTick = Pick<Tick, 'id' | 'firedAt' | 'payload'> & { readonly slot: Slot };

/** The state of one attempt of a tick, with the `Tick` that its handler receives. `AttemptRunner` runs the attempt. */
export class TickAttempt {
  readonly startedAt = new Date();
  readonly #began = performance.now();
  readonly control: AttemptAbort;
  /** What the transaction of the attempt has to record, with the option `once`. */
  record: OnceRecord | undefined;

  constructor(
    readonly runningTick: AttemptedTick,
    /** The number of the attempt, starting at 1. */
    readonly number: number,
    events: TickEvents,
  ) {
    const { slot, id: tickId } = runningTick;
    const { schedule, messageId } = slot;
    const attempt = { schedule: schedule.name, tickId, messageId, attempt: number };
    this.control = new AttemptAbort(attempt, schedule, events);
  }

  /** Returns the time since the attempt started, in milliseconds, with fractions. */
  get elapsedMs(): number {
    return performance.now() - this.#began;
  }

  /** Creates the `Tick` that belongs to a scope. */
  tickOf(scope: Scope): Tick {
    return new HandlerTick(this, scope);
  }
}

const CONTROL = Symbol('nestjs-scoped-worker:control');

/** Makes `signal` an own property, so that copies of the tick have it. The getter works on proxies: it reads no private field. */
const SIGNAL = {
  get(this: { [CONTROL]: AttemptAbort }): AbortSignal {
    return this[CONTROL].signal;
  },
  enumerable: true,
};

/** The `Tick` that the handler receives. Its signal is a getter, because most handlers don't read it. */
class HandlerTick implements Tick {
  readonly id: string;
  readonly schedule: string;
  readonly trigger: Tick['trigger'];
  readonly scheduledAt: Date;
  readonly firedAt: Date;
  readonly latenessMs: number;
  readonly attempt: number;
  readonly payload: unknown;
  declare readonly signal: AbortSignal;

  constructor(
    { runningTick, number, control }: TickAttempt,
    readonly scope: Scope,
  ) {
    const { slot, id, firedAt, payload } = runningTick;
    const { schedule, trigger, scheduledAt } = slot;
    this.id = id;
    this.schedule = schedule.name;
    this.trigger = trigger;
    this.scheduledAt = scheduledAt;
    this.firedAt = firedAt;
    this.latenessMs = Math.max(firedAt.getTime() - scheduledAt.getTime(), 0);
    this.attempt = number;
    this.payload = payload;
    // One by one: `Object.defineProperties()` is several times slower.
    Object.defineProperty(this, CONTROL, { value: control });
    Object.defineProperty(this, 'signal', SIGNAL);
  }

  /**
   * Makes `ContextIdFactory.getByRequest(tick)` return the context id of the tick's scope, just as it returns that of an HTTP
   * request.
   */
  get [REQUEST_CONTEXT_ID](): ContextId | undefined {
    return isChoosingParentFor(this) ? undefined : this.scope.contextId;
  }
}
