// Builds the providers of random applications through Nest and by plans, and compares the instances, the order of construction and of
// disposal, and the errors.
import { describeApp, makeApp, randomOf, withBehavior } from './random-app.mjs';

/** The first two loads of a provider are Nest's in both modes, because a plan is compiled from the second. */
const LOADS = 5;

/**
 * Compares one random application.
 *
 * @param nest the exports of @nestjs/common and @nestjs/core; `library` those of nestjs-scoped-worker; `plansOf` returns the plans
 * of an application.
 * @returns how many loads a plan made, why others had no plan, and one sentence for each difference.
 */
export async function comparePlan(seed, nest, library, plansOf) {
  const byNest = await loadsOf(seed, 'nest', nest, library, plansOf);
  const byPlan = await loadsOf(seed, 'compiled', nest, library, plansOf);
  const differences = byNest.loads.flatMap((load, at) => {
    const other = byPlan.loads[at];
    return byPlan.unplanned.has(load.id) || isSame(load, other)
      ? []
      : [`seed ${seed}: Nest ${JSON.stringify(load)}, plan ${JSON.stringify(other)}`];
  });
  return { planned: byPlan.planned, reasons: byPlan.reasons, differences };
}

/**
 * Independent instances may be disposed in another order: Nest has a factory finish later than a constructor that it calls after it.
 * If a factory returns a promise, they may be built in another order too. After a failure, Nest may still build what doesn't need the
 * failed provider; a plan builds nothing more.
 */
function isSame(byNest, byPlan) {
  const sorted = (ids) => String(ids.toSorted((one, other) => one - other));
  const result = ({ id, shape, error }) => JSON.stringify([id, shape, error]);
  if (result(byNest) !== result(byPlan)) return false;
  if (byNest.error !== undefined)
    return byNest.isAsync || String(byNest.built).startsWith(String(byPlan.built));
  const order = byNest.isAsync ? sorted : String;
  return (
    order(byNest.built) === order(byPlan.built) &&
    sorted(byNest.disposed) === sorted(byPlan.disposed)
  );
}

async function loadsOf(
  seed,
  resolution,
  nest,
  { ScopedWorkerModule, ProviderScopeFactory },
  plansOf,
) {
  const description = withBehavior(describeApp(seed), seed);
  let built = [];
  let disposed = [];
  const failing = new Set();
  const told = { built: (id) => built.push(id), disposed: (id) => disposed.push(id), failing };
  const { root, tokens } = makeApp(description, nest, told);
  class App {}
  nest.Module({
    imports: [
      root,
      ScopedWorkerModule.forRoot({ resolution, scopeValidation: 'off', stateDetection: false }),
    ],
  })(App);
  const app = await nest.NestFactory.createApplicationContext(App, {
    logger: false,
    abortOnError: false,
  });
  const plans = plansOf(app);
  const scopes = app.get(ProviderScopeFactory);
  const random = randomOf(seed + 2_000_000);
  const result = { loads: [], planned: 0, unplanned: new Set(), reasons: [] };
  for (const { id, kind, scope, home } of description.providers) {
    if (kind === 'value' || kind === 'alias' || scope === 'transient') continue;
    const wrapper = [...app.container.getModules().values()]
      .find(({ name }) => name === `M${home}`)
      .providers.get(tokens[id]);
    if (wrapper.isDependencyTreeStatic()) continue;
    for (let load = 0; load < LOADS; load += 1) {
      built = [];
      disposed = [];
      failing.clear();
      // In the last load, a provider fails that was built before.
      if (load === LOADS - 1) {
        const before = result.loads.at(-1).built.toSorted((one, other) => one - other);
        failing.add(before[Math.floor(random() * before.length)]);
      }
      const request = { id: 'request' };
      const scope = await scopes.open({ request });
      let shape;
      let error;
      try {
        shape = shapeOf(await scope.resolve(tokens[id]), request);
        await scope.complete();
      } catch (thrown) {
        error = thrown.message;
        await scope[Symbol.asyncDispose]().catch(() => undefined);
      }
      const isAsync = built.some((id) => description.providers[id].isAsync);
      result.loads.push({ id, load, shape, error, built, disposed, isAsync });
    }
    const why = plans?.whyNot(wrapper);
    if (why === undefined) result.planned += 1;
    else {
      result.unplanned.add(id);
      result.reasons.push(why);
    }
  }
  await app.close();
  return result;
}

/** Describes an instance with everything injected into it; the same object has the same number everywhere. */
function shapeOf(root, request) {
  const numbers = new Map();
  const visit = (value) => {
    if (value === request) return 'request';
    if (typeof value !== 'object' || value === null) return String(value);
    if (numbers.has(value)) return `#${numbers.get(value)}`;
    numbers.set(value, numbers.size);
    const fields = Object.entries(value).map(([key, held]) => [
      key,
      Array.isArray(held) ? held.map(visit) : visit(held),
    ]);
    return [value.constructor?.name ?? 'made', Object.fromEntries(fields)];
  };
  return visit(root);
}
