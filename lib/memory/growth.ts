import { isAboveNothing, medianOf, summaryOf } from './figures.js';

/** How many ticks of each schedule had ended at some moment. */
export type TickCounts = ReadonlyMap<string, number>;

/** What is known of the ticks of one schedule. */
export interface GrowthEstimate {
  readonly schedule: string;
  readonly ticks: number;
  readonly measuredTicks: number;
  readonly bytesPerTick: number;
  /** False while the figure may be an accident of measuring. */
  readonly isSure: boolean;
  /** True if full collections confirmed the figure, so that it includes no replaced data. */
  readonly isConfirmed: boolean;
}

/** What a schedule did longer ago counts no more. */
const KEPT_FIGURES = 20;
/** The number of ticks between full collections that make a confirmation; their median counts. */
const CONFIRMING_TICKS = 7;

interface Account {
  ticks: number;
  measured: number;
  /** What a tick has left, by each of the last stretches. */
  figures: number[];
  bytesPerTick: number;
  isSure: boolean;
  /** The growth of each tick of the last complete confirmation, between two full collections. */
  confirmed: readonly number[];
  /** The number of ticks at the end of that confirmation. */
  confirmedAt: number;
  /** The figures of a confirmation that is not complete: the one before it still counts. */
  confirming: number[];
}

/**
 * Estimates what each schedule's ticks leave in the heap, from stretches of time: how much the heap has grown over one, and whose
 * ticks ended in it. A stretch with ticks of one schedule gives a figure at once. Where ticks of several overlap, each stretch is
 * one equation, and the figure of each schedule is its estimate, moved by its part in what was unexplained (normalised least mean
 * squares: Nagumo & Noda, "A learning method for system identification", 1967). So schedules are told apart as far as they do not
 * always come together.
 */
export class Growth {
  readonly #accounts = new Map<string, Account>();

  /** A tick has ended. */
  ended(schedule: string): void {
    this.accountOf(schedule).ticks += 1;
  }

  ticksOf(schedule: string): number {
    return this.#accounts.get(schedule)?.ticks ?? 0;
  }

  measuredTicksOf(schedule: string): number {
    return this.#accounts.get(schedule)?.measured ?? 0;
  }

  forget(schedule: string): void {
    this.#accounts.delete(schedule);
  }

  counts(): TickCounts {
    return new Map([...this.#accounts].map(([schedule, { ticks }]) => [schedule, ticks]));
  }

  ticksSince(counts: TickCounts, schedule: string): number {
    return this.ticksOf(schedule) - (counts.get(schedule) ?? 0);
  }

  /** @param grownBytes What the heap has grown by since the ticks were counted. */
  learn(since: TickCounts, grownBytes: number): void {
    const parts: { account: Account; count: number }[] = [];
    let unexplained = grownBytes;
    let squares = 0;
    for (const [schedule, account] of this.#accounts) {
      const count = this.ticksSince(since, schedule);
      // A schedule that was removed and added anew meanwhile has fewer ticks than before.
      if (count <= 0) continue;
      parts.push({ account, count });
      unexplained -= count * account.bytesPerTick;
      squares += count * count;
    }
    for (const { account, count } of parts) {
      account.measured += count;
      account.figures.push(account.bytesPerTick + (unexplained * count) / squares);
      if (account.figures.length > KEPT_FIGURES) account.figures.shift();
      Object.assign(account, summaryOf(account.figures));
    }
  }

  /** Records the growth of one tick, or of `count` ticks, between two full collections. */
  confirm(schedule: string, grownBytes: number, count: number): void {
    const account = this.accountOf(schedule);
    account.confirming.push(grownBytes / count);
    if (account.confirming.length < CONFIRMING_TICKS) return;
    account.confirmed = account.confirming;
    account.confirming = [];
    account.confirmedAt = account.ticks;
  }

  /**
   * True if a full collection must show whether the ticks add data or replace data of earlier ticks. A confirmation is renewed
   * whenever the number of ticks has doubled: a cache fills first, and then replaces.
   */
  needsConfirmation(schedule: string, leastBytes: number): boolean {
    const account = this.accountOf(schedule);
    const { isSure, bytesPerTick, ticks, confirmedAt, confirming } = account;
    if (!isSure || bytesPerTick * ticks < leastBytes) return false;
    return confirming.length > 0 || ticks >= 2 * confirmedAt;
  }

  /** What the ticks from one count to another one should have left, by those estimates of now that are sure. */
  expectedBytes(from: TickCounts, to: TickCounts): number {
    let bytes = 0;
    for (const { schedule, bytesPerTick, isSure } of this.estimates()) {
      const count = (to.get(schedule) ?? 0) - (from.get(schedule) ?? 0);
      if (isSure) bytes += Math.max(0, count) * bytesPerTick;
    }
    return bytes;
  }

  estimates(): GrowthEstimate[] {
    return [...this.#accounts].map(([schedule, account]) => {
      const { ticks, measured: measuredTicks, confirmed } = account;
      const isConfirmed = confirmed.length > 0;
      const isSure = account.isSure && (!isConfirmed || isAboveNothing(confirmed));
      const bytesPerTick = isConfirmed ? medianOf(confirmed) : account.bytesPerTick;
      return { schedule, ticks, measuredTicks, bytesPerTick, isSure, isConfirmed };
    });
  }

  private accountOf(schedule: string): Account {
    let account = this.#accounts.get(schedule);
    if (account === undefined) {
      account = {
        ticks: 0,
        measured: 0,
        figures: [],
        bytesPerTick: 0,
        isSure: false,
        confirmed: [],
        confirmedAt: 0,
        confirming: [],
      };
      this.#accounts.set(schedule, account);
    }
    return account;
  }
}
