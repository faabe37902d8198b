import { isAroundHook, type AroundHook } from '../tick/around.js';
import type { TickSettings } from '../tick/tick-ports.js';
import type { ScopeSettings } from '../scope/scope-ports.js';
import { defaultsProblems } from '../schedule/check-handler-options.js';
import {
  leakDetectionProblems,
  resolvedLeakDetection,
  type LeakDetectionOptions,
} from './leak-options.js';
import { allowProblems } from './allow-options.js';
import type { ScopedWorkerModuleOptions } from './module-options.js';
import { ALLOWABLE } from '../errors/finding.js';
import { memoryOptionProblems } from '../memory/memory-options.js';
import {
  booleanProblem,
  choiceProblem,
  limitProblem,
  optionsProblems,
  show,
} from '../util/option-checks.js';
import { withoutUndefined } from '../util/values.js';

type Resolved = Omit<ScopedWorkerModuleOptions, 'leakDetection'> &
  Required<
    Pick<
      ScopedWorkerModuleOptions,
      | 'scopeValidation'
      | 'allowFindings'
      | 'adoptNestSchedules'
      | 'overrides'
      | 'around'
      | 'globalEnhancers'
      | 'stateDetection'
      | 'drainTimeoutMs'
      | 'shutdownTimeoutMs'
      | 'disposeTimeoutMs'
    >
  > & {
    /** Undefined if leak detection is off. */
    readonly leakDetection: Required<LeakDetectionOptions> | undefined;
  };

const DEFAULTS = {
  scopeValidation: 'error',
  allowFindings: [],
  adoptNestSchedules: false,
  overrides: {},
  drainTimeoutMs: 0,
  shutdownTimeoutMs: 30_000,
  disposeTimeoutMs: 10_000,
  around: [],
  globalEnhancers: false,
} as const satisfies ScopedWorkerModuleOptions;

const KNOWN = [
  ...Object.keys(DEFAULTS),
  'engine',
  'defaults',
  'onOpen',
  'stateDetection',
  'leakDetection',
  'memory',
];

/** Collects the options of every import of `ScopedWorkerModule`, and resolves them to the set that applies. */
export class OptionsStore implements ScopeSettings, TickSettings {
  readonly #declared: ScopedWorkerModuleOptions[] = [];
  #resolved: Resolved | undefined;

  declare(options: ScopedWorkerModuleOptions): void {
    this.#declared.push(options);
    this.#resolved = undefined;
  }

  get resolved(): Resolved {
    if (this.#resolved === undefined) {
      const given: ScopedWorkerModuleOptions = withoutUndefined(this.#declared[0]);
      const resolved: Omit<Resolved, 'leakDetection' | 'stateDetection'> = {
        ...DEFAULTS,
        ...given,
      };
      // `problems()` refuses invalid values; until then they must not hide other findings.
      const overrides = isObject(resolved.overrides) ? resolved.overrides : {};
      const allowFindings =
        allowProblems(resolved.allowFindings, ALLOWABLE).length === 0 ? resolved.allowFindings : [];
      const leakDetection = resolvedLeakDetection(given.leakDetection);
      const { stateDetection = process.env['NODE_ENV'] !== 'production' } = given;
      this.#resolved = { ...resolved, overrides, allowFindings, leakDetection, stateDetection };
    }
    return this.#resolved;
  }

  get disposeTimeoutMs(): number {
    return this.resolved.disposeTimeoutMs;
  }

  get onOpen(): ScopedWorkerModuleOptions['onOpen'] {
    return this.resolved.onOpen;
  }

  get around(): readonly AroundHook[] {
    return this.resolved.around;
  }

  get globalEnhancers(): boolean {
    return this.resolved.globalEnhancers;
  }

  /** True if the application has hooks around ticks. Runs before the options are checked. */
  get hasHooks(): boolean {
    const { around, onOpen } = this.resolved;
    return (Array.isArray(around) && around.length > 0) || typeof onOpen === 'function';
  }

  get stateDetection(): boolean {
    const { stateDetection, scopeValidation } = this.resolved;
    return stateDetection && scopeValidation !== 'off';
  }

  /** Returns one sentence for each problem. */
  problems(): string[] {
    const problems = this.#declared.flatMap(optionProblems);
    if (this.#declared.length === 0) {
      problems.push(
        'ScopedWorkerModule.forRootAsync() depends on a request-scoped provider, so Nest never creates its options. Inject only singletons.',
      );
    }
    const [first, ...others] = this.#declared;
    if (others.some((other) => !isSame(first, other))) {
      problems.push(
        'ScopedWorkerModule.forRoot() is imported more than once with different options. Import it once, in the root module: it is global.',
      );
    }
    return [...new Set(problems)];
  }
}

function optionProblems(options: ScopedWorkerModuleOptions): string[] {
  if (!isObject(options)) {
    const given = options === null ? 'null or undefined; pass {} for the defaults' : show(options);
    return [
      `ScopedWorkerModule.forRoot() and forRootAsync() take an object of options, not ${given}.`,
    ];
  }
  const problems: string[] = [];
  const say = (option: string, problem: string | undefined): void => {
    if (problem !== undefined) problems.push(`ScopedWorkerModule: ${option} ${problem}.`);
  };
  for (const problem of optionsProblems(options, KNOWN))
    problems.push(`ScopedWorkerModule: ${problem}.`);
  const { scopeValidation, drainTimeoutMs, shutdownTimeoutMs, disposeTimeoutMs, onOpen, engine } =
    options;
  if (scopeValidation !== undefined) {
    say('scopeValidation', choiceProblem(scopeValidation, ['strict', 'error', 'warn', 'off']));
  }
  for (const [key, value] of Object.entries({
    drainTimeoutMs,
    shutdownTimeoutMs,
    disposeTimeoutMs,
  })) {
    if (value !== undefined) say(key, limitProblem(value, 0));
  }
  if (onOpen !== undefined && typeof onOpen !== 'function')
    say('onOpen', `must be a function, not ${show(onOpen)}`);
  if (options.around !== undefined) say(...aroundProblem(options.around));
  if (options.globalEnhancers !== undefined)
    say('globalEnhancers', booleanProblem(options.globalEnhancers));
  if (options.stateDetection !== undefined)
    say('stateDetection', booleanProblem(options.stateDetection));
  if (options.adoptNestSchedules !== undefined)
    say('adoptNestSchedules', booleanProblem(options.adoptNestSchedules));
  if (engine !== undefined && typeof (engine as { start?: unknown } | null)?.start !== 'function') {
    say('engine', `must be an engine such as inProcessEngine(), not ${show(engine)}`);
  }
  if (options.allowFindings !== undefined)
    for (const [entry, problem] of allowProblems(options.allowFindings, ALLOWABLE))
      say(entry, problem);
  for (const problem of defaultsProblems(options.defaults)) say('defaults', problem);
  for (const [option, problem] of leakDetectionProblems(options.leakDetection))
    say(option, problem);
  for (const [option, problem] of memoryOptionProblems(options.memory)) say(option, problem);
  if (options.overrides !== undefined && !isObject(options.overrides)) {
    say('overrides', `must be an object keyed by schedule name, not ${show(options.overrides)}`);
  }
  return problems;
}

function aroundProblem(around: unknown): [option: string, problem: string | undefined] {
  if (!Array.isArray(around)) return ['around', `must be a list of hooks, not ${show(around)}`];
  const bad = around.findIndex((hook) => !isAroundHook(hook));
  if (bad < 0) return ['around', undefined];
  const problem = `must be a function (tick, next) or an object with intercept(tick, next), not ${show(around[bad])}`;
  return [`around[${bad}]`, problem];
}

/** True if two imports have the same options; functions and engines must be the same object. */
function isSame(left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true;
  if (Array.isArray(left) && Array.isArray(right))
    return left.length === right.length && left.every((entry, at) => isSame(entry, right[at]));
  if (!isPlain(left) || !isPlain(right)) return false;
  const a = withoutUndefined(left) as Record<string, unknown>;
  const b = withoutUndefined(right) as Record<string, unknown>;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => key in b && isSame(a[key], b[key]))
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPlain(value: unknown): value is object {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}
