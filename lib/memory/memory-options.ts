import {
  inheritedProblems,
  isOptions,
  limitProblem,
  percentProblem,
  positiveProblem,
  show,
  unknownProblem,
} from '../util/option-checks.js';

/** When the memory watch warns: at a number of MiB, at a percentage, or never. */
type WarnAt =
  | {
      /**
       * Warns when the resident memory (RSS) of the process reaches this number of MiB (1,048,576 bytes). A container's limit and
       * the kernel's out-of-memory killer apply to RSS.
       */
      readonly warnAtMb?: number;
      readonly warnAtPercent?: never;
    }
  | {
      readonly warnAtMb?: never;
      /**
       * Warns when the heap in use reaches this percentage of V8's heap limit, or RSS reaches this percentage of the memory
       * limit. The memory limit is that of the container, or else the total memory of the machine. Must be above 0 and at most 100.
       */
      readonly warnAtPercent?: number;
    };

/** When the memory watch stops the application: at a number of MiB, at a percentage, or never. */
type StopAt =
  | {
      /**
       * When RSS reaches this number of MiB, closes the application, runs all its shutdown hooks, and ends the process. Must be
       * above `warnAtMb`.
       */
      readonly stopAtMb?: number;
      readonly stopAtPercent?: never;
    }
  | {
      readonly stopAtMb?: never;
      /**
       * At this percentage, measured as for `warnAtPercent`, closes the application, runs all its shutdown hooks, and ends the
       * process. Must be above `warnAtPercent`.
       */
      readonly stopAtPercent?: number;
    };

/**
 * Options of the memory watch. Without a threshold, the watch only takes samples and reports the schedules whose memory grows.
 *
 * @publicApi
 */
export type MemoryOptions = WarnAt &
  StopAt & {
    /** Milliseconds between checks, at least 100. @defaultValue 10_000 */
    readonly checkEveryMs?: number;
  };

export const DEFAULT_CHECK_EVERY_MS = 10_000;

/** The shortest period between checks: more frequent checks would themselves burden the process. */
const LEAST_CHECK_EVERY_MS = 100;

const CHECKS: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  warnAtMb: positiveProblem,
  warnAtPercent: percentProblem,
  stopAtMb: positiveProblem,
  stopAtPercent: percentProblem,
  checkEveryMs: (value) => limitProblem(value, LEAST_CHECK_EVERY_MS),
};

/** Returns the problems with the option `memory`: pairs of an option's name and a clause that follows the name. */
export function memoryOptionProblems(memory: unknown): [option: string, problem: string][] {
  if (memory === undefined) return [];
  if (!isOptions(memory))
    return [['memory', `must be an object such as { warnAtPercent: 80 }, not ${show(memory)}`]];
  const given = memory as Record<string, unknown>;
  const problems: [string, string][] = [];
  const isSound = (option: string): boolean =>
    given[option] !== undefined && CHECKS[option]!(given[option]) === undefined;
  for (const [option, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const problem = Object.hasOwn(CHECKS, option)
      ? CHECKS[option]!(value)
      : unknownProblem(Object.keys(CHECKS), option);
    if (problem !== undefined) problems.push([`memory.${option}`, problem]);
  }
  for (const [option, problem] of Object.entries(inheritedProblems(memory, Object.keys(CHECKS))))
    problems.push([`memory.${option}`, problem]);
  for (const purpose of ['warn', 'stop']) {
    const [mb, percent] = [`${purpose}AtMb`, `${purpose}AtPercent`] as const;
    if (given[mb] !== undefined && given[percent] !== undefined)
      problems.push(['memory', `has both ${mb} and ${percent}; keep one of them`]);
  }
  for (const unit of ['Mb', 'Percent']) {
    const [warn, stop] = [`warnAt${unit}`, `stopAt${unit}`] as const;
    if (!isSound(warn) || !isSound(stop)) continue;
    const [warnAt, stopAt] = [given[warn] as number, given[stop] as number];
    if (stopAt <= warnAt)
      problems.push([`memory.${stop}`, `must be above memory.${warn} (${warnAt}), not ${stopAt}`]);
  }
  return problems;
}
