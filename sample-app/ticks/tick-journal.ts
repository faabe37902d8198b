import { Injectable } from '@nestjs/common';
import { ScopedWorkerEvents, type TickReport } from 'nestjs-scoped-worker';
import { PoolNumbers, type PoolCount } from './pool-numbers.js';
import type { TickNote } from './tick-note.js';

/** One finished tick, as the terminal and `GET /ticks` show it. */
export interface TickEntry {
  readonly endedAt: Date;
  readonly schedule: string;
  readonly tick: string;
  readonly scope: string;
  /** Undefined when the tick failed before it could say. */
  readonly entityManager: number | undefined;
  readonly built: number;
  readonly disposed: number;
  readonly durationMs: number;
  readonly pool: PoolCount;
  readonly outcome: TickReport['outcome'];
  readonly note: string;
}

const KEPT = 100;

/** Writes down the ticks as the library reports them: the last hundred. */
@Injectable()
export class TickJournal {
  readonly #scopes = new Map<string, string>();
  readonly #entries: TickEntry[] = [];
  readonly #listeners: ((entry: TickEntry) => void)[] = [];
  #count = 0;

  constructor(
    events: ScopedWorkerEvents,
    private readonly pool: PoolNumbers,
  ) {
    events.on('scope:opened', ({ scopeId, tickId }) => {
      if (tickId !== undefined) this.#scopes.set(tickId, scopeId);
    });
    events.on('tick:finished', (report) => this.write(report));
  }

  /** Newest first. */
  get latest(): readonly TickEntry[] {
    return this.#entries.toReversed();
  }

  /** Ticks since the start. */
  get count(): number {
    return this.#count;
  }

  onEntry(listener: (entry: TickEntry) => void): void {
    this.#listeners.push(listener);
  }

  private write(report: TickReport): void {
    const { schedule, tickId, endedAt, built, disposed, durationMs, outcome } = report;
    const value = report.value as TickNote | undefined;
    const entry: TickEntry = {
      endedAt,
      schedule,
      tick: tickId,
      scope: this.#scopes.get(tickId) ?? '-',
      entityManager: value?.entityManager,
      built,
      disposed,
      durationMs,
      pool: this.pool.now(),
      outcome,
      note: outcome === 'succeeded' ? (value?.note ?? '') : outcome,
    };
    this.#scopes.delete(tickId);
    this.#count += 1;
    this.#entries.push(entry);
    if (this.#entries.length > KEPT) this.#entries.shift();
    for (const listener of this.#listeners) listener(entry);
  }
}
