import { Injectable, type OnModuleInit } from '@nestjs/common';
import { SchedulePlanner } from '../discovery/schedule-planner.js';
import { OptionsStore } from '../options/options-store.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import { StartUpCheck } from '../validation/start-up-check.js';

/**
 * Checks everything before anything starts. It belongs to a global module, whose `onModuleInit` Nest calls before that
 * of any other module.
 */
@Injectable()
export class StartUp implements OnModuleInit {
  constructor(
    private readonly options: OptionsStore,
    private readonly planner: SchedulePlanner,
    private readonly check: StartUpCheck,
    private readonly book: ScheduleBook,
  ) {}

  onModuleInit(): void {
    this.options.check();
    const { schedules, findings } = this.planner.plan();
    this.check.pass(findings, this.options.resolved.scopeValidation);
    this.book.fill(schedules);
  }
}
