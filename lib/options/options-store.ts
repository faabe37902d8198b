import type { AroundHook } from '../tick/around.js';
import type { TickSettings } from '../tick/tick-ports.js';
import type { ScopeSettings } from '../scope/scope-ports.js';
import { resolvedLeakDetection, type LeakDetectionOptions } from './leak-options.js';
import { allowProblems } from './allow-options.js';
import type { ScopedWorkerModuleOptions } from './module-options.js';
import { ALLOWABLE } from '../errors/finding.js';
import { DEFAULTS, isObject, moduleOptionProblems } from './check-module-options.js';
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
    const problems = this.#declared.flatMap(moduleOptionProblems);
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

function isPlain(value: unknown): value is object {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}
