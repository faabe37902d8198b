import {
  SchedulePlanner,
  type Decision,
  type UndecidedSchedule,
} from '../discovery/schedule-planner.js';
import { OnceSchedules } from '../discovery/once-schedules.js';
import { invalid } from '../discovery/worker-findings.js';
import { workerRoots } from '../discovery/worker-roots.js';
import type { Finding } from '../errors/finding.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import type { OnceStores } from '../tick/once.js';
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
    private readonly onceSchedules: OnceSchedules,
    private readonly onceStores: OnceStores,
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
    this.startUpCheck.pass(await this.checkStores(), this.options.resolved.scopeValidation);
  }

  /** Checks the stores of the option `once`, which don't exist earlier in start-up. */
  private async checkStores(): Promise<Finding[]> {
    const found: Finding[] = [];
    for (const [dataSource, handlers] of this.onceSchedules.dataSourcesOf(this.book.all)) {
      const problem = await this.onceStores.use(dataSource)?.problem();
      const culprits = handlers.join(', ');
      const text = `${culprits}: the option once cannot record work on the data source ${JSON.stringify(dataSource)}.`;
      if (problem !== undefined) found.push(invalid(culprits, `${text} ${problem}`));
    }
    return found;
  }

  private isOpen({ schedule }: UndecidedSchedule): boolean {
    return this.book.find(schedule.name) === schedule;
  }
}
