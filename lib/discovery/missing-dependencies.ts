import { arrows, finding, type Finding } from '../errors/finding.js';
import {
  injectionsOf,
  isSingleton,
  missingInjectionsOf,
  tokenText,
  type MissingInjection,
  type NestModule,
  type NestWrapper,
} from '../nest/index.js';
import { reachable } from '../util/values.js';
import { repositoryAdvice } from './repository-advice.js';
import { handlerName } from './schedule-names.js';
import type { FoundWorker } from './worker-explorer.js';

/**
 * Reports providers that ticks need but that Nest can't build because a dependency isn't provided. Nest 12 itself refuses to
 * start. On Nest 11.2, nothing would fail before the first tick.
 */
export function missingDependencies(
  workers: readonly FoundWorker[],
  modules: readonly NestModule[],
): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<NestWrapper>();
  for (const { workerClass, wrapper: root, handlers } of workers) {
    const [first] = handlers;
    if (first === undefined) continue;
    const open = [{ wrapper: root, chain: [handlerName(workerClass, first)] }];
    for (const { wrapper, chain } of open) {
      // Nest has already built the singletons.
      if (seen.has(wrapper) || isSingleton(wrapper)) continue;
      seen.add(wrapper);
      for (const missing of missingInjectionsOf(wrapper)) {
        const { host } = wrapper;
        const advice =
          host &&
          (repositoryAdvice({ ...missing, host, worker: root, modules }) ??
            exportAdvice(missing.token, host, modules));
        findings.push(missingFinding(wrapper, missing, chain, advice));
      }
      for (const { wrapper: next } of injectionsOf(wrapper))
        open.push({ wrapper: next, chain: [...chain, tokenText(next.token)] });
    }
  }
  return findings;
}

/** Returns what to do if exactly one other module provides the token, and the dependent's module can import that module. */
function exportAdvice(
  token: unknown,
  host: NestModule,
  modules: readonly NestModule[],
): string | undefined {
  const [home, another] = modules.filter(({ providers }) => providers.has(token));
  if (home === undefined || another !== undefined || home.name === host.name) return undefined;
  const imported = reachable(home, ({ imports }) => imports ?? []);
  if (imported.has(host)) return undefined; // an import would be circular
  const name = tokenText(token);
  if (host.imports?.has(home) === true)
    return `Add ${name} to the exports of ${home.name}, which ${host.name} imports`;
  // A dynamic module must be imported the same way as elsewhere: the bare class would be another module, without the options.
  const importer = modules.find(({ imports }) => imports?.has(home));
  const into = `into ${host.name}${importer === undefined ? '' : ` the way ${importer.name} imports it`}`;
  return home.exports?.has(token) === true
    ? `Import ${home.name}, which exports ${name}, ${into}`
    : `Add ${name} to the exports of ${home.name}, and import that module ${into}`;
}

function missingFinding(
  { token: dependent, host }: NestWrapper,
  missing: MissingInjection,
  path: readonly string[],
  advice: string | undefined,
): Finding {
  const { token } = missing;
  const subject = tokenText(dependent);
  const module = host?.name ?? 'its module';
  const [handler] = path;
  const chain = [...path, ...(token === undefined ? [] : [tokenText(token)])];
  const shown = chain.length > 2 ? ` (${arrows(chain)})` : '';
  const [what, help] = reasonFor(missing, dependent, module, advice);
  const message = `${subject} cannot be built: ${what}. Every tick of ${handler} would fail${shown}. ${help}.`;
  return finding({ kind: 'dependency-missing', subject, token: dependent, chain, message });
}

/** The constructors that TypeScript records for interfaces, type parameters, primitives, arrays and functions. */
const BUILT_IN: readonly unknown[] = [Object, String, Number, Boolean, Array, Function];

/** Returns what is missing, and what to do. */
function reasonFor(
  { at, token }: MissingInjection,
  dependent: unknown,
  module: string,
  advice: string | undefined,
): readonly [string, string] {
  if (token === undefined)
    return [
      `the token that it injects at ${at} is undefined`,
      'Check for a circular import, and write @Inject(forwardRef(() => Token)) there',
    ];
  const name = tokenText(token);
  if (token === dependent)
    return [
      `it injects its own token at ${at}, and Nest never injects a provider into itself`,
      'Provide it under a different token from the one that it injects',
    ];
  if (BUILT_IN.includes(token))
    return [
      `the type at ${at} is ${name} at run time, and ${module} has no provider for it`,
      `Write @Inject(Token) there, with a token that ${module} provides or imports`,
    ];
  return [
    `it injects ${name} at ${at}, but ${module} neither provides nor imports it`,
    advice ?? `Add ${name} to the providers of ${module}, or import a module that exports it`,
  ];
}
