import { INQUIRER, REQUEST } from '@nestjs/core';
import { isObject } from '../../util/values.js';
import { inquirerIdsOf } from '../context-instances.js';
import type { ContextId, NestWrapper } from '../nest-types.js';
import { isFactory, isSingleton } from '../provider-kind.js';
import type { RecordedBuild } from './build-recording.js';
import { hasScopedEnhancer, obstacleOf, SCOPED_ENHANCER } from './obstacles.js';
import { NOT_BUILT, REQUEST_SLOT, type Plan, type PlanStep } from './plan.js';

/** A load by Nest, with everything that Nest built for it. */
export interface RecordedLoad {
  readonly root: NestWrapper;
  readonly builds: readonly RecordedBuild[];
  readonly contextId: ContextId;
  readonly request: unknown;
  readonly decorate: Plan['decorate'];
}

/** Thrown with the reason why a provider has no plan. */
class Unplannable extends Error {}

/**
 * Compiles the plan that repeats a load.
 *
 * Nest itself has recorded which provider it injects where. For each value that Nest passed, the plan names its source: an
 * earlier step, a constant or the request. That source must have supplied the very value that Nest passed. So a plan never does
 * anything that Nest hasn't done.
 *
 * @returns the plan, or the reason why no plan can repeat the load.
 */
export function compilePlan(load: RecordedLoad): Plan | string {
  try {
    return new PlanCompiler(load).compile();
  } catch (error) {
    return error instanceof Unplannable
      ? error.message
      : `the library couldn't compile its plan: ${String(error)}`;
  }
}

class PlanCompiler {
  readonly #builds: readonly RecordedBuild[];
  readonly #constants: unknown[] = [];
  readonly #inquirers: (readonly [slot: number, prototype: object])[] = [];
  readonly #used = new Set<number>();

  constructor(private readonly load: RecordedLoad) {
    // Without a request, Nest calls its own factory for `REQUEST`.
    this.#builds = load.builds.filter(({ wrapper }) => !isRequest(wrapper));
  }

  compile(): Plan {
    const { root, decorate } = this.load;
    if (hasScopedEnhancer(root)) throw new Unplannable(SCOPED_ENHANCER);
    const read = this.#builds.map((build, index) => this.read(build, index));
    if (this.#builds.at(-1)?.wrapper !== root) throw this.notRepeated(root);
    this.#builds.slice(0, -1).forEach(({ wrapper }, index) => {
      if (!this.#used.has(index))
        throw new Unplannable(`Nest builds ${nameOf(wrapper)} as well, but doesn't inject it`);
    });

    const first = 1 + this.#constants.length;
    const slotOf = ({ kind, index }: Source): number =>
      kind === 'request' ? REQUEST_SLOT : kind === 'constant' ? 1 + index : first + index;
    const steps = read.map(({ wrapper, inquirerId, injected, properties }, index): PlanStep => {
      const slots = injected.map(slotOf);
      return {
        after: stepsOf([...injected, ...properties.map(([, source]) => source)]),
        wrapper,
        isFactory: isFactory(wrapper),
        inquirerId,
        slot: first + index,
        injected: slots,
        properties: properties.map(([key, source]) => [key, slotOf(source)]),
      };
    });
    const slots: unknown[] = [undefined, ...this.#constants, ...steps.map(() => NOT_BUILT)];
    // The plan must not keep the objects of the recorded load.
    for (const [slot] of this.#inquirers) slots[slot] = undefined;
    return { slots, inquirers: this.#inquirers, steps, decorate };
  }

  private read(build: RecordedBuild, index: number): ReadBuild {
    const { wrapper, instance, injected } = build;
    const obstacle = obstacleOf(wrapper, instance);
    if (obstacle !== undefined) throw new Unplannable(obstacle);
    const providers = wrapper.getCtorMetadata() ?? [];
    const sources = injected.map((value, at) => this.source(build, index, providers[at], value));
    const properties = build.properties.flatMap(({ key, instance: value }) => {
      const provider = wrapper
        .getPropertiesMetadata()
        ?.findLast((each) => each.key === key)?.wrapper;
      // Nest never sets a property to null or undefined. In another scope, the provider may return something else.
      const isSet = value !== undefined && value !== null;
      if (!isSet && (provider === undefined || isSingleton(provider))) return [];
      return [[key, this.source(build, index, provider, value)] as const];
    });
    const inquirerId = wrapper.isTransient ? this.inquirerIdOf(build) : undefined;
    return { wrapper, inquirerId, injected: sources, properties };
  }

  /** Returns the source of a value that Nest passed to a build. */
  private source(
    { wrapper: dependent }: RecordedBuild,
    before: number,
    provider: NestWrapper | undefined,
    value: unknown,
  ): Source {
    if (provider === undefined || provider.token === INQUIRER) {
      if (value === undefined) return this.constant(value); // optional, and nothing provides it
      const source = this.inquirer(value);
      if (source === undefined) throw this.notRepeated(dependent);
      return source;
    }
    if (isRequest(provider)) {
      if (value !== this.load.request) throw this.notRepeated(dependent);
      return { kind: 'request', index: 0 };
    }
    if (isSingleton(provider)) {
      if (!Object.is(value, provider.instance)) throw this.notRepeated(dependent);
      return this.constant(value);
    }
    const made = this.#builds.flatMap(({ wrapper, instance }, index) =>
      index < before && wrapper === provider && Object.is(instance, value) ? [index] : [],
    );
    if (made.length !== 1) {
      const obstacle = obstacleOf(provider); // a durable provider may have been built for an earlier tick
      throw obstacle === undefined ? this.notRepeated(dependent) : new Unplannable(obstacle);
    }
    this.#used.add(made[0]!);
    return { kind: 'step', index: made[0]! };
  }

  private constant(value: unknown): Source {
    const known = this.#constants.findIndex((constant) => Object.is(constant, value));
    return { kind: 'constant', index: known < 0 ? this.#constants.push(value) - 1 : known };
  }

  /**
   * Returns the source of a value that Nest injects for `INQUIRER`. Such a value isn't the dependent, but an empty object of the
   * dependent's class.
   */
  private inquirer(value: unknown): Source | undefined {
    if (!isObject(value) || Reflect.ownKeys(value).length > 0) return undefined;
    const prototype: unknown = Object.getPrototypeOf(value);
    const dependents = this.#builds.filter(
      ({ wrapper }) => !isFactory(wrapper) && wrapper.metatype?.prototype === prototype,
    );
    if (dependents.length !== 1 || dependents[0]!.instance === value) return undefined;
    const isNew = !this.#constants.includes(value);
    const source = this.constant(value);
    if (isNew) this.#inquirers.push([1 + source.index, prototype as object]);
    return source;
  }

  private inquirerIdOf({ wrapper, instance }: RecordedBuild): string {
    const ids = inquirerIdsOf(wrapper, this.load.contextId, instance);
    if (ids.length !== 1) throw this.notRepeated(wrapper);
    return ids[0]!;
  }

  private notRepeated(dependent: NestWrapper): Unplannable {
    return new Unplannable(`the library can't predict what Nest injects into ${nameOf(dependent)}`);
  }
}

interface Source {
  readonly kind: 'request' | 'constant' | 'step';
  readonly index: number;
}

interface ReadBuild {
  readonly wrapper: NestWrapper;
  readonly inquirerId: string | undefined;
  readonly injected: readonly Source[];
  readonly properties: readonly (readonly [PropertyKey, Source])[];
}

function stepsOf(sources: readonly Source[]): number[] {
  return sources.flatMap(({ kind, index }) => (kind === 'step' ? [index] : []));
}

/** Returns true for Nest's own provider of the request. */
function isRequest({ token, host }: NestWrapper): boolean {
  return token === REQUEST && host?.name === 'InternalCoreModule';
}

function nameOf({ name }: NestWrapper): string {
  return String(name);
}
