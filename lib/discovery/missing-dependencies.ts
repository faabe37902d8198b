import { finding, type Finding } from '../errors/finding.js';
import {
  injectionsOf,
  isSingleton,
  missingInjectionsOf,
  tokenText,
  type MissingInjection,
  type NestWrapper,
} from '../nest/index.js';
import { handlerName } from './schedule-names.js';
import type { FoundWorker } from './worker-explorer.js';

/**
 * Reports providers that ticks need and that Nest can't build, because a dependency isn't provided. Nest 12 itself refuses to
 * start. On Nest 11.2, only the first tick would fail.
 */
export function missingDependencies(workers: readonly FoundWorker[]): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<NestWrapper>();
  for (const { workerClass, wrapper: root, handlers } of workers) {
    const [first] = handlers;
    if (first === undefined) continue;
    const open = [{ wrapper: root, way: [handlerName(workerClass, first)] }];
    for (const { wrapper, way } of open) {
      // Nest has already built singletons.
      if (seen.has(wrapper) || isSingleton(wrapper)) continue;
      seen.add(wrapper);
      for (const missing of missingInjectionsOf(wrapper))
        findings.push(missingFinding(wrapper, missing, way));
      for (const { wrapper: next } of injectionsOf(wrapper))
        open.push({ wrapper: next, way: [...way, tokenText(next.token)] });
    }
  }
  return findings;
}

function missingFinding(
  { token: dependent, host }: NestWrapper,
  { at, token }: MissingInjection,
  way: readonly string[],
): Finding {
  const subject = tokenText(dependent);
  const module = host?.name ?? 'its module';
  const [handler] = way;
  const chain = [...way, ...(token === undefined ? [] : [tokenText(token)])];
  const arrows = chain.length > 2 ? ` (${chain.join(' -> ')})` : '';
  const message =
    token === undefined
      ? `${subject} cannot be built: the token that it injects at ${at} is undefined. Every tick of ${handler} would fail${arrows}. Check for a circular import, and write @Inject(forwardRef(() => Token)) there.`
      : `${subject} cannot be built: it injects ${tokenText(token)} at ${at}, but ${module} neither provides nor imports it. Every tick of ${handler} would fail${arrows}. Add ${tokenText(token)} to the providers of ${module}, or import a module that exports it.`;
  return finding({ kind: 'dependency-missing', subject, token: dependent, chain, message });
}
