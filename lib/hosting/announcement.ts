import { Logger } from '@nestjs/common';
import { exploreBackground } from '../discovery/background-explorer.js';
import { NestInside } from '../nest/index.js';
import { ScopedWorkerRegistry } from '../registry/scoped-worker-registry.js';

/** Says at start-up what will run: a job that is due in five minutes must not look like one that is not there. */
export class Announcement {
  readonly #logger = new Logger('ScopedWorker');

  constructor(
    private readonly registry: ScopedWorkerRegistry,
    private readonly nest: NestInside,
  ) {}

  whatRuns(): void {
    const schedules = this.registry.list();
    const background = exploreBackground(this.nest.modules.values()).workers.map(
      ({ name }) => name,
    );
    if (schedules.length > 0) {
      const lines = schedules.map(
        ({ name, state, nextRun }) => `${name} (${nextRun?.toISOString() ?? state})`,
      );
      this.#logger.log(`${schedules.length} scheduled, with the next run: ${lines.join(', ')}`);
    }
    if (background.length > 0)
      this.#logger.log(`${background.length} background: ${background.join(', ')}`);
    if (schedules.length + background.length === 0)
      this.#logger.log(
        'ScopedWorkerModule has nothing to run: no worker and no background worker is provided.',
      );
    for (const { name, kind, state, nextRun, expression } of schedules) {
      if (state === 'active' && kind === 'cron' && nextRun === undefined)
        this.#logger.warn(
          `${name}: the cron expression ${JSON.stringify(expression)} is never due.`,
        );
    }
  }
}
