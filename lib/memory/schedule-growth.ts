import { isAboveNothing, medianOf, isScattered, summaryOf } from './figures.js';
import { getOrAdd } from '../util/values.js';
import { MIB } from './process-memory.js';

/**
 * An estimate of the memory that the ticks of a schedule leave in the heap and in buffers.
 *
 * @publicApi
 */
export interface ScheduleGrowth {
  readonly schedule: string;
  /** The number of ticks that have finished since the watch began. */
  readonly ticks: number;
  /** The number of ticks that the figures come from, including ticks that finished while another one was being measured. */
  readonly measuredTicks: number;
  /** The bytes that one tick leaves in memory permanently, estimated from the most recent measurements. */
  readonly bytesPerTick: number;
  /** `bytesPerTick` times `ticks`: what the schedule has added so far. */
  readonly bytes: number;
}

/** The minimum total growth that is reported for a schedule. */
const LEAST_BYTES = MIB;

/** The number of ticks of each schedule that had finished by a given moment. */
export type TickCounts = ReadonlyMap<string, number>;

/** An estimate, reported or not, for the ticks of one schedule. */
interface GrowthEstimate extends Omit<ScheduleGrowth, 'bytes'> {
  /** False while the figure may be a measurement error. */
  readonly isSure: boolean;
  /** True if full collections confirmed the figure, so that it excludes replaced data. */
  readonly isConfirmed: boolean;
}

/** The number of figures that count; older ones are dropped. */
const KEPT_FIGURES = 20;
/** The number of figures in a confirmation, each measured between full collections. Their median is the result. */
const CONFIRMING_TICKS = 7;
/** The maximum number of figures for a confirmation if they vary widely: some jobs keep data only in some ticks. */
const MOST_CONFIRMING_TICKS = 3 * CONFIRMING_TICKS;

/** The figures behind the estimate for one schedule. */
class Account {
  ticks = 0;
  measuredTicks = 0;
  /** The bytes that one tick leaves in memory: one figure for each of the most recent stretches of time. */
  readonly figures: number[] = [];
  /** The average of `figures`; used until there is a confirmation. */
  learned = { mean: 0, isSure: false };
  /** The figures of the last complete confirmation: what a tick left between two full collections. */
  confirmed: readonly number[] = [];
  /** The number of ticks that had finished when that confirmation was complete. */
  confirmedAt = 0;
  /** The figures of an incomplete confirmation; the last complete one still counts. */
  confirming: number[] = [];
}

/**
 * Estimates what the ticks of each schedule leave in the heap. For each stretch of time, this class knows how much the heap grew
 * and which ticks finished. A stretch with ticks of only one schedule yields a figure directly. If ticks of several schedules
 * overlap, each stretch is one equation. Each estimate is then adjusted by the schedule's share of the unexplained growth.
 * (Normalized least mean squares: Nagumo & Noda, "A learning method for system identification", 1967.) Schedules that always run
 * together can't be separated.
 */
export class GrowthEstimates {
  readonly #accounts = new Map<string, Account>();

  ended(schedule: string): void {
    this.accountOf(schedule).ticks += 1;
  }

  ticksOf(schedule: string): number {
    return this.#accounts.get(schedule)?.ticks ?? 0;
  }

  measuredTicksOf(schedule: string): number {
    return this.#accounts.get(schedule)?.measuredTicks ?? 0;
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

  /** Updates the estimates. @param grownBytes The growth of the heap since the ticks were counted. */
  learn(since: TickCounts, grownBytes: number): void {
    const parts: { account: Account; count: number }[] = [];
    let unexplained = grownBytes;
    let squares = 0;
    for (const [schedule, account] of this.#accounts) {
      const count = this.ticksSince(since, schedule);
      // A schedule that was removed and added again in the meantime has fewer ticks than before.
      if (count <= 0) continue;
      parts.push({ account, count });
      unexplained -= count * account.learned.mean;
      squares += count * count;
    }
    for (const { account, count } of parts) {
      account.measuredTicks += count;
      account.figures.push(account.learned.mean + (unexplained * count) / squares);
      if (account.figures.length > KEPT_FIGURES) account.figures.shift();
      account.learned = summaryOf(account.figures);
    }
  }

  /**
   * Records the growth of one tick, or of `count` ticks, between two full collections. If the figures of a confirmation vary
   * widely, the confirmation is repeated with new ticks. If the figures still vary widely after the last repetition, all of them
   * count.
   */
  confirm(schedule: string, grownBytes: number, count: number): void {
    const account = this.accountOf(schedule);
    const { confirming } = account;
    confirming.push(grownBytes / count);
    if (confirming.length % CONFIRMING_TICKS !== 0) return;
    const latest = confirming.slice(-CONFIRMING_TICKS);
    const isAgreed = !isScattered(latest, account.learned.mean);
    if (!isAgreed && confirming.length < MOST_CONFIRMING_TICKS) return;
    account.confirmed = isAgreed ? latest : confirming;
    account.confirming = [];
    account.confirmedAt = account.ticks;
  }

  /**
   * Returns true if full collections must show whether the ticks add data or replace data of earlier ticks. A confirmation is
   * renewed whenever the number of ticks has doubled, because a cache first fills and then replaces entries.
   */
  needsConfirmation(schedule: string): boolean {
    const account = this.accountOf(schedule);
    const { learned, ticks, confirmedAt, confirming } = account;
    if (!learned.isSure || learned.mean * ticks < LEAST_BYTES) return false;
    return confirming.length > 0 || ticks >= 2 * confirmedAt;
  }

  /**
   * Returns how many bytes the ticks between two counts should have left in the heap, according to the estimates that are
   * currently reliable (`isSure`).
   */
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
      const { ticks, measuredTicks, learned, confirmed } = account;
      const isConfirmed = confirmed.length > 0;
      const isSure = learned.isSure && (!isConfirmed || isAboveNothing(confirmed));
      const bytesPerTick = isConfirmed ? medianOf(confirmed) : learned.mean;
      return { schedule, ticks, measuredTicks, bytesPerTick, isSure, isConfirmed };
    });
  }

  /**
   * Returns the schedules that grow, starting with the one that has added the most.
   *
   * @param keptShare The share of the measured growth that stays, from 0 to 1; applies to schedules whose growth is not confirmed.
   */
  growing(keptShare: number): ScheduleGrowth[] {
    return this.estimates()
      .filter(({ isSure }) => isSure)
      .map(({ schedule, ticks, measuredTicks, isConfirmed, bytesPerTick: left }) => {
        const bytesPerTick = Math.round(isConfirmed ? left : left * keptShare);
        return { schedule, ticks, measuredTicks, bytesPerTick, bytes: bytesPerTick * ticks };
      })
      .filter(({ bytes }) => bytes >= LEAST_BYTES)
      .sort((left, right) => right.bytes - left.bytes);
  }

  private accountOf(schedule: string): Account {
    return getOrAdd(this.#accounts, schedule, () => new Account());
  }
}
