import { types } from 'node:util';
import { isClass, methodOf, withoutUndefined } from '../util/values.js';
import { DuplicateScheduleError, InvalidScheduleError } from '../errors/errors.js';
import { isReadyMade, type Application, type NestWrapper } from '../nest/index.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import { handlerOptionProblems, misfits } from '../schedule/check-handler-options.js';
import type { CronZone } from '../schedule/cron-expression.js';
import { fromProvidersProblem, unresolvableProblem } from '../schedule/from-providers.js';
import {
  resolveHandlerOptions,
  type HandlerDefaults,
  type ResolvedHandlerOptions,
} from '../schedule/handler-options.js';
import { A_GENERATOR, nameProblem, show } from '../util/option-checks.js';
import { functionName, type HandlerTarget, type Schedule } from '../schedule/schedule.js';
import { OFF, readTiming, WHAT_IS_DUE, type Timing } from '../schedule/timing.js';
import { ScheduleBook } from './schedule-book.js';
import type { ScheduleDefinition, ScheduleTiming } from './schedule-info.js';

/** Checks whether a worker can use the option `once`. */
export interface OnceRules {
  /** Returns the problem with the option `once` of a schedule, as a clause. */
  problem(options: ResolvedHandlerOptions, worker: NestWrapper | undefined): string | undefined;
  /** Returns the options with the data source that records the work, if `once` names none. */
  resolved(
    options: ResolvedHandlerOptions,
    worker: NestWrapper | undefined,
  ): ResolvedHandlerOptions;
}

/** Creates schedules at run time, with the same checks as at start-up. */
export class ScheduleMaker {
  constructor(
    private readonly book: ScheduleBook,
    private readonly options: ModuleOptionsStore,
    private readonly application: Application,
    private readonly onceRules: OnceRules,
  ) {}

  /**
   * Creates a schedule from its definition.
   *
   * @throws {InvalidScheduleError} listing every problem.
   * @throws {DuplicateScheduleError} if the name is taken.
   */
  fromDefinition(definition: ScheduleDefinition): Schedule {
    if (typeof definition !== 'object' || definition === null)
      throw new InvalidScheduleError([
        `registry.add() takes a definition such as { name, handler, cron }, not ${show(definition)}.`,
      ]);
    const { name, handler, payload, cron, everyMs, ...given } = definition;
    const culprit = `registry.add(${typeof name === 'string' ? JSON.stringify(name) : ''})`;
    const problems: string[] = [];
    const say = (problem: string): void => void problems.push(`${culprit}: ${problem}.`);
    if (!this.book.isFilled) {
      say('start-up has not read the workers yet. Call add() in onModuleInit() or later');
      throw new InvalidScheduleError(problems);
    }
    const badName = nameProblem(name);
    if (badName !== undefined) say(`name ${badName}`);
    const target = this.targetOf(handler);
    if (typeof target === 'string') say(target);
    for (const problem of handlerOptionProblems(given)) say(problem);
    const kind = cron === undefined ? 'interval' : 'cron';
    for (const problem of misfits(given, kind)) say(problem);
    const { defaults } = this.options.resolved;
    const options = resolveHandlerOptions(kind, defaults, this.optionsOf(target), given);
    if (options.forEach !== undefined && payload !== undefined)
      say(`payload and forEach can't be combined, because each item is a payload; keep one`);
    const unresolvable = this.unresolvable(options.forEach, target);
    if (unresolvable !== undefined) say(`forEach ${unresolvable}`);
    const cannotRecord =
      typeof target === 'string' ? undefined : this.onceRules.problem(options, target.worker);
    if (cannotRecord !== undefined) say(`once ${cannotRecord}`);
    const timing = timingOf({ cron, everyMs }, options, say);
    if (timing === undefined || typeof target === 'string' || problems.length > 0)
      throw new InvalidScheduleError(problems);
    if (this.book.has(name))
      throw new DuplicateScheduleError([
        `${culprit}: the name is taken by a schedule of ${this.book.get(name).handler}. Choose another name, or remove that schedule first.`,
      ]);
    return {
      name,
      handler: typeof handler === 'string' ? handler : functionName(handler),
      ...timing,
      options: this.onceRules.resolved(options, target.worker),
      target,
      ...(payload === undefined ? {} : { payload }),
    };
  }

  /**
   * Returns a copy of the schedule with another timing.
   *
   * @throws {InvalidScheduleError} if the timing is invalid.
   */
  withTiming(schedule: Schedule, given: ScheduleTiming): Schedule {
    const problems: string[] = [];
    const say = (problem: string): void =>
      void problems.push(`registry.reschedule(${JSON.stringify(schedule.name)}): ${problem}.`);
    if (schedule.kind === 'message') {
      say('a consumer has no timing; pause it instead');
      throw new InvalidScheduleError(problems);
    }
    const others = typeof given === 'object' ? Object.keys(withoutUndefined(given)) : [];
    const unknown = others.find((key) => key !== 'cron' && key !== 'everyMs');
    if (unknown !== undefined)
      say(`takes cron or everyMs, not ${unknown}; the other options cannot change`);
    const { options, kind } = schedule;
    const timing =
      given?.cron === OFF && kind === 'interval' && given.everyMs === undefined
        ? readTiming(kind, OFF, options, true).timing // stays an interval, for when it is switched on again
        : timingOf(given ?? {}, options, say);
    if (timing === undefined || problems.length > 0) throw new InvalidScheduleError(problems);
    return { ...schedule, ...timing };
  }

  private targetOf(handler: unknown): HandlerTarget | string {
    if (isClass(handler))
      return `handler is the class ${handler.name}: name its method, '${handler.name}.method'`;
    if (types.isGeneratorFunction(handler)) return `handler is ${A_GENERATOR}`;
    if (typeof handler === 'function') return { call: handler as (tick: unknown) => unknown };
    const help = "write it as 'Class.method', or pass a function that takes the tick";
    if (typeof handler !== 'string' || !handler.includes('.'))
      return `handler must name a method of a worker, not ${show(handler)}: ${help}`;
    const at = handler.lastIndexOf('.');
    const className = handler.slice(0, at);
    const method = handler.slice(at + 1);
    const workers = this.book.workers.filter(({ workerClass }) => workerClass.name === className);
    const [worker] = workers;
    if (workers.length > 1)
      return `handler names ${className}, but ${workers.length} workers have this name; pass a function that resolves the right one`;
    // A class without @ScopedWorker() is a worker if its @Cron was adopted.
    const known = this.book.all.find((each) => each.handler === handler && each.target.worker);
    if (worker === undefined)
      return known?.target ?? `handler names ${className}, but no worker has this name; ${help}`;
    const { workerClass, wrapper } = worker;
    const found = methodOf(workerClass, method);
    if (method === 'constructor' || found === undefined)
      return `handler names ${handler}, but ${className} has no method ${method}`;
    if (types.isGeneratorFunction(found)) return `handler names ${handler}, ${A_GENERATOR}`;
    if (isReadyMade(wrapper))
      return `handler names ${className}, which is provided as a ready-made value, so ticks cannot get new instances of it; provide the class itself`;
    if (
      !wrapper.isTransient &&
      (wrapper.isDependencyTreeStatic() || wrapper.isDependencyTreeDurable())
    )
      return `handler names ${className}, which Nest builds once for the whole application; put @ScopedWorker() above its other decorators, without durable`;
    return known?.target ?? { worker: wrapper, method };
  }

  private unresolvable(
    forEach: ResolvedHandlerOptions['forEach'],
    target: HandlerTarget | string,
  ): string | undefined {
    // An invalid forEach is already among the problems.
    if (fromProvidersProblem(forEach) !== undefined || forEach === undefined) return undefined;
    const module = typeof target === 'string' ? undefined : target.worker?.host;
    return unresolvableProblem(forEach, this.application, module);
  }

  /** Returns the options of `@ScopedWorker()`, which apply to all handlers of the class. */
  private optionsOf(target: HandlerTarget | string): HandlerDefaults | undefined {
    if (typeof target === 'string') return undefined;
    return this.book.workers.find(({ wrapper }) => wrapper === target.worker)?.options;
  }
}

function timingOf(
  { cron, everyMs }: Partial<Record<'cron' | 'everyMs', unknown>>,
  zone: CronZone,
  say: (problem: string) => void,
): Timing | undefined {
  if ((cron === undefined) === (everyMs === undefined)) {
    const both = 'has both cron and everyMs: remove one';
    say(cron === undefined ? 'needs either cron (an expression) or everyMs (a period)' : both);
    return undefined;
  }
  const kind = cron === undefined ? 'interval' : 'cron';
  const { timing, problem } = readTiming(kind, cron ?? everyMs, zone);
  if (problem !== undefined) say(`the ${WHAT_IS_DUE[kind]} ${problem}`);
  return timing;
}
