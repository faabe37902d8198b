import { Injectable, Logger } from '@nestjs/common';
import { ScopedWorkerRegistry } from '../registry/scoped-worker-registry.js';

/** Says at start-up what was scheduled: a job that is due in five minutes must not look like one that is not there. */
@Injectable()
export class Announcement {
  readonly #logger = new Logger('ScopedWorker');

  constructor(private readonly registry: ScopedWorkerRegistry) {}

  schedules(): void {
    const schedules = this.registry.list();
    if (schedules.length === 0) return;
    const active = schedules.filter(({ state }) => state === 'active');
    const never = active.filter(({ kind, nextRun }) => kind === 'cron' && nextRun === undefined);
    const lines = schedules.map(
      ({ name, state, nextRun }) => `${name} (${nextRun?.toISOString() ?? state})`,
    );
    this.#logger.log(`${schedules.length} scheduled, with the next run: ${lines.join(', ')}`);
    for (const { name, expression } of never) {
      this.#logger.warn(`${name}: the cron expression ${JSON.stringify(expression)} is never due.`);
    }
  }
}
