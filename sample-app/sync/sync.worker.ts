import { Injectable } from '@nestjs/common';
import {
  BackgroundWorker,
  PeriodicTimer,
  ProviderScopeFactory,
  type ProviderScope,
} from 'nestjs-scoped-worker';
import { ScopeNotes } from '../ticks/scope-notes.js';
import { CoreTable } from './core-table.js';

const FIRST_PERIOD_MS = 5_000;

/**
 * Runs a loop instead of a schedule: a singleton that opens a scope for each iteration. If an iteration fails, the library calls
 * `execute` again after 1 second, 2 seconds, 4 seconds and so on.
 */
@Injectable()
export class SyncWorker extends BackgroundWorker {
  /** Kept across restarts, so that a period set over HTTP stays. Holds no resource while nobody waits. */
  readonly #timer = new PeriodicTimer(FIRST_PERIOD_MS);
  #iterations = 0;
  #failuresToCome = 0;

  constructor(
    private readonly scopes: ProviderScopeFactory,
    private readonly notes: ScopeNotes,
  ) {
    super();
  }

  async execute(stopping: AbortSignal): Promise<void> {
    do {
      await this.scopes.run((scope) => this.iterate(scope));
      this.#iterations += 1;
    } while (await this.#timer.waitForNextTick(stopping));
  }

  get periodMs(): number {
    return this.#timer.periodMs;
  }

  /** Applies to the pending wait too. @throws {InvalidOptionsError} if the period is invalid. */
  set periodMs(periodMs: number) {
    this.#timer.periodMs = periodMs;
  }

  /** The number of iterations that succeeded. */
  get iterations(): number {
    return this.#iterations;
  }

  get failuresToCome(): number {
    return this.#failuresToCome;
  }

  /** Makes the next iterations fail. */
  failNext(times: number): void {
    this.#failuresToCome = times;
  }

  private async iterate(scope: ProviderScope): Promise<void> {
    const table = await scope.resolve(CoreTable);
    this.notes.write(scope, { owner: 'sync', manager: table.manager });
    const count = await table.update();
    if (this.#failuresToCome > 0) {
      this.#failuresToCome -= 1;
      this.notes.write(scope, { text: 'fails on request' });
      throw new Error('This iteration failed on request.'); // its writes are rolled back
    }
    this.notes.write(scope, { text: `${count} cores` });
  }
}
