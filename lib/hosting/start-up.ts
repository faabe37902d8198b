import type { OnModuleInit } from '@nestjs/common';
import { SchedulePlanner } from '../discovery/schedule-planner.js';
import { workerRoots } from '../discovery/worker-roots.js';
import { OptionsStore } from '../options/options-store.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import { Review } from '../validation/review.js';
import { StartUpCheck } from '../validation/start-up-check.js';

/**
 * Checks everything before anything starts. Its module is the first whose `onModuleInit` Nest calls.
 */
export class StartUp implements OnModuleInit {
  constructor(
    private readonly options: OptionsStore,
    private readonly planner: SchedulePlanner,
    private readonly review: Review,
    private readonly check: StartUpCheck,
    private readonly book: ScheduleBook,
  ) {}

  async onModuleInit(): Promise<void> {
    const { scopeValidation: strictness, globalEnhancers } = this.options.resolved;
    const { schedules, workers, findings } = await this.planner.plan();
    this.review.begin((graph) => workerRoots(workers, graph, globalEnhancers), findings);
    this.check.pass(this.review.standing, strictness);
    this.book.fill(schedules, workers);
  }
}
