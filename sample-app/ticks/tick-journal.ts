import { Injectable } from '@nestjs/common';
import {
  ScopedWorkerEvents,
  type ScopeEndNotice,
  type TickReport,
  type TickRetry,
} from 'nestjs-scoped-worker';
import { PoolNumbers } from './pool-numbers.js';
import { ScopeNotes, type TakenNote } from './scope-notes.js';
import type { TickEntry } from './tick-entry.js';

const KEPT = 100;

interface EndedScope extends ScopeEndNotice {
  readonly durationMs: number;
  readonly note: TakenNote;
}

/** Keeps the last hundred scopes that the library has reported, with the outcomes of their ticks. */
@Injectable()
export class TickJournal {
  readonly #openedAt = new Map<string, number>();
  /** The last attempt of each tick, until the library reports that the tick has finished or is retried. */
  readonly #attempts = new Map<string, EndedScope>();
  readonly #entries: TickEntry[] = [];
  readonly #listeners: ((entry: TickEntry) => void)[] = [];
  #count = 0;

  constructor(
    events: ScopedWorkerEvents,
    private readonly pool: PoolNumbers,
    private readonly notes: ScopeNotes,
  ) {
    events.on('scope:opened', ({ scopeId }) => this.#openedAt.set(scopeId, performance.now()));
    events.on('scope:closed', (end) => this.scopeClosed(end));
    events.on('tick:retrying', (retry) => this.tickRetrying(retry));
    events.on('tick:finished', (report) => this.tickFinished(report));
  }

  /** Newest first. */
  get latest(): readonly TickEntry[] {
    return this.#entries.toReversed();
  }

  /** The number of ticks since the start. */
  get count(): number {
    return this.#count;
  }

  onEntry(listener: (entry: TickEntry) => void): void {
    this.#listeners.push(listener);
  }

  private scopeClosed(end: ScopeEndNotice): void {
    const now = performance.now();
    const durationMs = now - (this.#openedAt.get(end.scopeId) ?? now);
    this.#openedAt.delete(end.scopeId);
    const scope = { ...end, durationMs, note: this.notes.take(end.scopeId) };
    const { owner } = scope.note;
    if (end.tickId !== undefined) this.#attempts.set(end.tickId, scope);
    else if (owner !== undefined) this.write(scope, { schedule: owner, outcome: 'ended' });
  }

  private tickRetrying({ schedule, tickId, waitMs }: TickRetry): void {
    const suffix = `failed, the next attempt in ${Math.round(waitMs)} ms`;
    this.write(this.takeAttempt(tickId), { schedule, tick: tickId, outcome: 'retrying', suffix });
  }

  private tickFinished({ schedule, tickId, outcome }: TickReport): void {
    this.#count += 1;
    const suffix = outcome === 'succeeded' ? undefined : outcome;
    this.write(this.takeAttempt(tickId), { schedule, tick: tickId, outcome, suffix });
  }

  private takeAttempt(tickId: string): EndedScope | undefined {
    const scope = this.#attempts.get(tickId);
    this.#attempts.delete(tickId);
    return scope;
  }

  private write(
    scope: EndedScope | undefined,
    of: Pick<TickEntry, 'schedule' | 'outcome'> & { tick?: string; suffix?: string | undefined },
  ): void {
    const entry: TickEntry = {
      endedAt: new Date(),
      schedule: of.schedule,
      tick: of.tick,
      scope: scope?.scopeId,
      entityManager: scope?.note.entityManager,
      built: scope?.built ?? 0,
      disposed: scope?.disposed ?? 0,
      durationMs: scope?.durationMs ?? 0,
      pool: this.pool.now(),
      outcome: of.outcome,
      note: [scope?.note.text, of.suffix].filter((part) => part !== undefined).join(': '),
    };
    this.#entries.push(entry);
    if (this.#entries.length > KEPT) this.#entries.shift();
    for (const listener of this.#listeners) listener(entry);
  }
}
