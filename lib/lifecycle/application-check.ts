import {
  SchedulePlanner,
  type Decision,
  type UndecidedSchedule,
} from '../discovery/schedule-planner.js';
import { workerRoots } from '../discovery/worker-roots.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import { FindingBook } from '../validation/finding-book.js';
import { StartUpCheck } from '../validation/start-up-check.js';

/** Checks decorators and options, and then the values from providers, before anything starts. */
export class ApplicationCheck {
  #undecided: readonly UndecidedSchedule[] = [];

  constructor(
    private readonly options: ModuleOptionsStore,
    private readonly planner: SchedulePlanner,
    private readonly findings: FindingBook,
    private readonly startUpCheck: StartUpCheck,
    private readonly book: ScheduleBook,
  ) {}

  /**
   * Checks the workers; runs before any `onModuleInit` of the application. Does nothing when Nest calls the hooks again, as
   * it does for `connectMicroservice(options, { deferInitialization: true })`: a second check would undo changes to the schedules.
   */
  async begin(): Promise<void> {
    if (this.book.isFilled) return;
    const { scopeValidation: strictness, globalEnhancers } = this.options.resolved;
    const { schedules, undecided, workers, findings } = await this.planner.plan();
    this.findings.begin((graph) => workerRoots(workers, graph, globalEnhancers), findings);
    this.startUpCheck.pass(this.findings.standing, strictness);
    this.book.fill(schedules, workers);
    this.#undecided = undecided;
  }

  /**
   * Calls the factories that decide when schedules are due. Runs after every `onModuleInit`, because applications load settings in
   * that hook. Skips schedules that the application has rescheduled or removed in the meantime.
   *
   * @throws {InvalidScheduleError} listing every problem.
   */
  async decide(): Promise<void> {
    const decisions = new Map<UndecidedSchedule, Decision>();
    for (const undecided of this.#undecided)
      if (this.isOpen(undecided)) decisions.set(undecided, await this.planner.decide(undecided));
    const findings = [...decisions.values()].flatMap((decision) => decision.findings);
    this.startUpCheck.pass(findings, this.options.resolved.scopeValidation);
    for (const [undecided, { schedule }] of decisions)
      if (schedule !== undefined && this.isOpen(undecided)) this.book.put(schedule);
    this.#undecided = [];
  }

  private isOpen({ schedule }: UndecidedSchedule): boolean {
    return this.book.find(schedule.name) === schedule;
  }
}
