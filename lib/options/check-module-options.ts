import { memoryOptionProblems } from '../memory/memory-options.js';
import { defaultsProblems, resolutionProblem } from '../schedule/check-handler-options.js';
import { isAroundHook } from '../tick/around.js';
import {
  booleanProblem,
  choiceProblem,
  functionProblem,
  inheritedProblems,
  isOptions,
  limitProblem,
  named,
  optionsProblems,
  show,
} from '../util/option-checks.js';
import { allowProblems } from './allow-options.js';
import { leakDetectionProblems } from './leak-options.js';
import type { ScopedWorkerModuleOptions } from './module-options.js';

export const DEFAULTS = {
  scopeValidation: 'error',
  allowFindings: [],
  adoptNestSchedules: false,
  overrides: {},
  drainTimeoutMs: 0,
  shutdownTimeoutMs: 30_000,
  disposeTimeoutMs: 10_000,
  around: [],
  globalEnhancers: false,
  resolution: 'compiled',
} as const satisfies ScopedWorkerModuleOptions;

const KNOWN = [
  ...Object.keys(DEFAULTS),
  'engine',
  'defaults',
  'onOpen',
  'stateDetection',
  'leakDetection',
  'once',
  'memory',
];

/** Returns one sentence for each problem with the options of `ScopedWorkerModule`. */
export function moduleOptionProblems(options: ScopedWorkerModuleOptions): string[] {
  if (!isOptions(options)) {
    const given = options === null ? 'null or undefined; pass {} for the defaults' : show(options);
    return [
      `ScopedWorkerModule.forRoot() and forRootAsync() take an options object, not ${given}.`,
    ];
  }
  const problems: string[] = [];
  const say = (option: string, problem: string | undefined): void => {
    if (problem !== undefined) problems.push(`ScopedWorkerModule: ${option} ${problem}.`);
  };
  const ofAll = [...optionsProblems(options, KNOWN), ...named(inheritedProblems(options, KNOWN))];
  for (const problem of ofAll) problems.push(`ScopedWorkerModule: ${problem}.`);
  const { scopeValidation, onOpen, engine } = options;
  if (scopeValidation !== undefined) {
    say('scopeValidation', choiceProblem(scopeValidation, ['strict', 'error', 'warn', 'off']));
  }
  for (const key of ['drainTimeoutMs', 'shutdownTimeoutMs', 'disposeTimeoutMs'] as const)
    if (options[key] !== undefined) say(key, limitProblem(options[key], 0));
  if (onOpen !== undefined) say('onOpen', functionProblem(onOpen));
  if (options.around !== undefined) say(...aroundProblem(options.around));
  for (const key of ['globalEnhancers', 'stateDetection', 'adoptNestSchedules'] as const)
    if (options[key] !== undefined) say(key, booleanProblem(options[key]));
  if (engine !== undefined && typeof (engine as { start?: unknown } | null)?.start !== 'function') {
    say('engine', `must be an engine such as inProcessEngine(), not ${show(engine)}`);
  }
  if (options.resolution !== undefined) say('resolution', resolutionProblem(options.resolution));
  if (options.allowFindings !== undefined)
    for (const [entry, problem] of allowProblems(options.allowFindings)) say(entry, problem);
  for (const problem of defaultsProblems(options.defaults)) say('defaults', problem);
  for (const [option, problem] of leakDetectionProblems(options.leakDetection))
    say(option, problem);
  if (options.once !== undefined) say(...onceProblem(options.once));
  for (const [option, problem] of memoryOptionProblems(options.memory)) say(option, problem);
  if (options.overrides !== undefined && !isOptions(options.overrides)) {
    say('overrides', `must be an object keyed by schedule name, not ${show(options.overrides)}`);
  }
  return problems;
}

function onceProblem(once: unknown): [option: string, problem: string | undefined] {
  const [problem] = optionsProblems(once, ['keepForMs']);
  if (problem !== undefined) return ['once:', problem];
  const { keepForMs } = once as { keepForMs?: unknown };
  const isLimit = Number.isFinite(keepForMs) && (keepForMs as number) >= 60_000;
  if (keepForMs === undefined || isLimit) return ['once', undefined];
  return [
    'once.keepForMs',
    `must be a number of milliseconds, at least 60000, not ${show(keepForMs)}`,
  ];
}

function aroundProblem(around: unknown): [option: string, problem: string | undefined] {
  if (!Array.isArray(around)) return ['around', `must be a list of hooks, not ${show(around)}`];
  const bad = around.findIndex((hook) => !isAroundHook(hook));
  if (bad < 0) return ['around', undefined];
  const problem = `must be a function (tick, next) or an object with intercept(tick, next), not ${show(around[bad])}`;
  return [`around[${bad}]`, problem];
}
