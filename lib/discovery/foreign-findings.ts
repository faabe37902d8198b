import { handlersOf, workerOptions } from '../decorators/worker-metadata.js';
import { finding, type Finding } from '../findings/finding.js';
import { livesInScope, type ApplicationGraph } from '../graph/index.js';
import type { NestModule, NestWrapper } from '../nest/index.js';
import { isClassProvider } from './class-of.js';
import { foreignHandlersOf, type ForeignHandlers } from './foreign-handlers.js';
import { whyNotStatic } from './skipped-findings.js';

interface ForeignClass extends ForeignHandlers {
  readonly ownerClass: Function;
  readonly wrapper: NestWrapper;
}

/**
 * Reports classes that another library calls, and of which nobody disposes what is built for a call. A class that is
 * marked as a worker is reported whatever its scope is: the mark does not reach calls of that library.
 */
export function foreignFindings(modules: Iterable<NestModule>, graph: ApplicationGraph): Finding[] {
  const seen = new Set<Function>();
  const findings: Finding[] = [];
  for (const module of modules) {
    for (const wrapper of [...module.providers.values(), ...module.controllers.values()]) {
      if (wrapper.isAlias === true || !isClassProvider(wrapper)) continue;
      const ownerClass = wrapper.metatype!;
      const isWorker = workerOptions(ownerClass) !== undefined;
      if (seen.has(ownerClass) || !(isWorker || isRequestScoped(wrapper))) continue;
      seen.add(ownerClass);
      for (const handlers of foreignHandlersOf(ownerClass, wrapper, module)) {
        const found = { ...handlers, ownerClass, wrapper };
        findings.push(isWorker ? workerRunElsewhere(found) : messageHandlerScoped(found, graph));
      }
    }
  }
  return findings;
}

/** Durable classes are shared by many calls: they are not built for one. */
function isRequestScoped(wrapper: NestWrapper): boolean {
  return (
    !wrapper.isTransient && !wrapper.isDependencyTreeStatic() && !wrapper.isDependencyTreeDurable()
  );
}

function workerRunElsewhere(found: ForeignClass): Finding {
  const { ownerClass, library, unit, wrapper, methods } = found;
  const { name } = ownerClass;
  const what = methods.length === 0 ? `the code for its ${unit}s` : methods.join(', ');
  const remedy =
    handlersOf(ownerClass).length > 0
      ? `Move ${what} to a class without @ScopedWorker()`
      : `Remove @ScopedWorker() from ${name}`;
  return finding({
    kind: 'worker-run-elsewhere',
    subject: name,
    token: wrapper.token,
    message: `${name} is marked @ScopedWorker(), but ${calls(found)}, and this library doesn't run that call. No ${unit} of ${library} gets a scope, and nothing is disposed after it. ${remedy}, inject ProviderScopeFactory as scopes there, and call scopes.run(async (scope) => { ... }) for each ${unit}.`,
  });
}

function messageHandlerScoped(found: ForeignClass, graph: ApplicationGraph): Finding {
  const { ownerClass, wrapper, unit } = found;
  const { name } = ownerClass;
  const { why, chain } = whyNotStatic(found, graph);
  const { text, isCertain } = lossOf(found, graph);
  const dependency = chain[1];
  const instead =
    dependency === undefined
      ? `Make ${name} a singleton, inject ProviderScopeFactory as scopes, and call`
      : `Inject ProviderScopeFactory as scopes in place of ${dependency}, so that ${name} is a singleton, and resolve ${dependency} in`;
  return finding({
    kind: 'message-handler-scoped',
    ...(isCertain ? {} : { severity: 'info' as const }),
    subject: name,
    token: wrapper.token,
    chain: [name, ...chain.slice(1)],
    message: `${name}: ${calls(found)}, and ${why}. ${text} ${instead} scopes.run(async (scope) => { ... }) for each ${unit}.`,
  });
}

function calls({ ownerClass: { name }, library, unit, methods }: ForeignClass): string {
  const what =
    methods.length === 0 ? name : methods.map((method) => `${name}.${method}`).join(', ');
  return `${library} calls ${what} for each ${unit}`;
}

/** What the calls of a request-scoped class do not get. */
function lossOf(
  { ownerClass: { name }, wrapper, library, unit, scoped }: ForeignClass,
  graph: ApplicationGraph,
): { text: string; isCertain: boolean } {
  if (scoped === 'never-constructed')
    return {
      isCertain: true,
      text: `${library} makes the call on an object that was never constructed: its dependencies are undefined.`,
    };
  const each = scoped === 'built-for-each' ? unit : 'client';
  const built = `${each === 'client' ? 'Nest 12 builds' : 'Nest builds'} ${name} again for each ${each}, and nobody disposes what is built`;
  const unclosed = undisposed(wrapper, graph);
  const never =
    unclosed.length === 0
      ? ''
      : `: ${unclosed.join(', ')} ${unclosed.length === 1 ? 'is' : 'are'} never called`;
  if (scoped === 'built-for-each-client')
    return {
      isCertain: true,
      text: `${built}${never}. Nest 11 makes the call on an object that was never constructed.`,
    };
  return unclosed.length > 0
    ? { isCertain: true, text: `${built}${never}.` }
    : {
        isCertain: false,
        text: `${built}. No class in its tree has a disposer, so only what a factory returns can stay open.`,
      };
}

/** The disposers and hooks of what is built for a call, written `Class.method`. */
function undisposed(wrapper: NestWrapper, { current }: ApplicationGraph): string[] {
  const provider = current.of(wrapper);
  if (provider === undefined) return [];
  const methods = current
    .scopedTree(provider)
    .filter(livesInScope)
    .flatMap(({ name, disposer, scopeHooks }) =>
      [...(disposer === undefined ? [] : [disposer]), ...scopeHooks].map(
        (method) => `${name}.${method}`,
      ),
    );
  return [...new Set(methods)];
}
