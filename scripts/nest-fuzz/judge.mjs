// Runs inside an installation of one Nest release: starts random applications, compares the lifetimes of Nest and of the library with
// those that follow from the description of each application, and compares what plans build with what Nest builds. Prints one line
// of JSON.
import 'reflect-metadata';
import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import * as library from 'nestjs-scoped-worker';
import { readGraph } from './node_modules/nestjs-scoped-worker/dist/graph/read-graph.js';
import { ScopedWorkerServices } from './node_modules/nestjs-scoped-worker/dist/scoped-worker-services.js';
import { comparePlan } from './compare-plan.mjs';
import { describeApp, makeApp, scopedIds } from './random-app.mjs';

const HANGS_AFTER_MS = 3_000;

const nest = { ...common, ...core };
const result = {
  applications: Number(process.argv[2]),
  hung: 0,
  wrongInNest: 0,
  wrongInLibrary: [],
  plans: 0,
  unplanned: [],
  wrongInPlans: [],
};
for (let seed = 1; seed <= result.applications; seed += 1) {
  const description = describeApp(seed);
  const { root, tokens } = makeApp(description, nest);
  const app = await started(root);
  if (app === undefined) result.hung += 1;
  else
    judge(app, { seed, tokens, scoped: scopedIds(description), providers: description.providers });
  await app?.close();
}
result.refusal = await refusal();
if (result.refusal === undefined)
  for (let seed = 1; seed <= result.applications; seed += 1) await compare(seed);
console.log(JSON.stringify(result));
process.exit(); // applications that hang would keep the process

/** Returns undefined for an application that never starts. */
async function started(root) {
  const options = { logger: false, abortOnError: false };
  let timer;
  const hangs = new Promise((resolve) => (timer = setTimeout(resolve, HANGS_AFTER_MS)));
  const app = await Promise.race([core.NestFactory.createApplicationContext(root, options), hangs]);
  clearTimeout(timer);
  return app;
}

function judge(app, { seed, tokens, scoped, providers }) {
  const modules = [...app.container.getModules().values()];
  const graph = readGraph(modules);
  for (const { id, home } of providers) {
    const wrapper = modules.find(({ name }) => name === `M${home}`).providers.get(tokens[id]);
    const provider = graph.of(wrapper);
    const isScoped = scoped.has(id);
    // A transient has no lifetime of its own, and before the first request Nest 11.2 knows the dependencies of few.
    if (isScoped && provider.lifetime === 'singleton') result.wrongInNest += 1;
    if (!isScoped && !wrapper.isDependencyTreeStatic()) result.wrongInNest += 1;
    if (graph.needsScope(provider) !== isScoped)
      result.wrongInLibrary.push(`provider ${id} of seed ${seed}`);
  }
}

async function compare(seed) {
  const plansOf = (app) => app.get(ScopedWorkerServices).plans;
  const { planned, reasons, differences } = await comparePlan(seed, nest, library, plansOf);
  result.plans += planned;
  result.unplanned.push(...reasons.map((reason) => `${reason} (seed ${seed})`));
  result.wrongInPlans.push(...differences);
}

/** Returns the error of an application with the library; undefined if it starts. */
async function refusal() {
  class App {}
  common.Module({ imports: [library.ScopedWorkerModule.forRoot()] })(App);
  try {
    const app = await core.NestFactory.createApplicationContext(App, {
      logger: false,
      abortOnError: false,
    });
    await app.close();
    return undefined;
  } catch (error) {
    return error.message;
  }
}
