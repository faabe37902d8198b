import { resolvedLeakDetection, type LeakDetectionOptions } from './leak-options.js';
import { allowProblems } from './allow-options.js';
import type { OnceRetention, ScopedWorkerModuleOptions } from './module-options.js';
import { isOptions } from '../util/option-checks.js';
import { DEFAULTS, moduleOptionProblems } from './check-module-options.js';
import { withoutUndefined } from '../util/values.js';

type Resolved = Omit<ScopedWorkerModuleOptions, 'leakDetection' | 'once'> &
  Required<Pick<ScopedWorkerModuleOptions, keyof typeof DEFAULTS | 'stateDetection'>> & {
    /** Undefined if leak detection is off. */
    readonly leakDetection: Required<LeakDetectionOptions> | undefined;
    readonly once: Required<OnceRetention>;
  };

/** Collects the options of every import of `ScopedWorkerModule`. */
export class ModuleOptionsStore {
  /** The options that each import passed, to be checked. */
  readonly #given: ScopedWorkerModuleOptions[] = [];
  readonly #declared: ScopedWorkerModuleOptions[] = [];
  /** The options that apply: those of the first import, with every default filled in. The object stays the same. */
  readonly resolved: Resolved = resolve({});

  /** @param options a copy of what the import passed. */
  declare(given: ScopedWorkerModuleOptions, options = given): void {
    this.#given.push(given);
    this.#declared.push(options);
    if (this.#declared.length === 1) Object.assign(this.resolved, resolve(options));
  }

  /** True if the application has hooks around ticks. Safe to read before the options are checked. */
  get hasHooks(): boolean {
    const { around, onOpen } = this.resolved;
    return (Array.isArray(around) && around.length > 0) || typeof onOpen === 'function';
  }

  /** Returns one message for each problem with the options. */
  problems(): string[] {
    const problems = this.#given.flatMap(moduleOptionProblems);
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

function resolve(options: ScopedWorkerModuleOptions): Resolved {
  const given: ScopedWorkerModuleOptions = withoutUndefined(options);
  const resolved: Omit<Resolved, 'leakDetection' | 'stateDetection' | 'once'> = {
    ...DEFAULTS,
    ...given,
  };
  const { scopeValidation, stateDetection = process.env['NODE_ENV'] !== 'production' } = given;
  return {
    ...resolved,
    // `problems()` reports invalid values; until then, they must not hide other findings.
    overrides: isOptions(resolved.overrides) ? resolved.overrides : {},
    allowFindings: allowProblems(resolved.allowFindings).length === 0 ? resolved.allowFindings : [],
    leakDetection: resolvedLeakDetection(given.leakDetection),
    once: { keepForMs: given.once?.keepForMs ?? WEEK_MS },
    stateDetection: stateDetection && scopeValidation !== 'off',
  };
}

const WEEK_MS = 604_800_000;

/** Returns true if two imports have the same options; functions and engines must be the same object. */
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
