import { INQUIRER, REQUEST } from '@nestjs/core';
import { handlersOf, workerOptions } from '../decorators/handler-metadata.js';
import { finding, type Finding } from '../errors/finding.js';
import { livesInScope } from '../graph/lifetime-graph.js';
import type { ApplicationGraph } from '../graph/read-graph.js';
import { isGateway, kindOf, type NestModule, type NestWrapper } from '../nest/index.js';
import { foreignHandlersOf, type ForeignHandlers } from './foreign-handlers.js';
import { whyNotStatic } from './nest-jobs.js';
import { providedClasses } from './provided-classes.js';
import { inPlaceOf } from './scope-advice.js';

interface ForeignClass extends ForeignHandlers {
  readonly ownerClass: Function;
  readonly wrapper: NestWrapper;
}

/**
 * Reports classes that another library calls and whose instances are never disposed after a call. A worker class is reported
 * regardless of its scope, because `@ScopedWorker()` has no effect on calls from that library.
 */
export function foreignFindings(modules: Iterable<NestModule>, graph: ApplicationGraph): Finding[] {
  const seen = new Set<Function>();
  const findings: Finding[] = [];
  for (const { ownerClass, wrapper, module } of providedClasses(modules)) {
    const isWorker = workerOptions(ownerClass) !== undefined;
    const isOfInterest = isWorker || isRequestScoped(wrapper);
    if (kindOf(wrapper) !== 'class' || seen.has(ownerClass) || !isOfInterest) continue;
    seen.add(ownerClass);
    for (const handlers of foreignHandlersOf(ownerClass, wrapper, module)) {
      const found = { ...handlers, ownerClass, wrapper };
      findings.push(isWorker ? workerRunElsewhere(found) : messageHandlerScoped(found, graph));
    }
  }
  return findings;
}

/** Returns false for durable classes too, because many calls share one instance. */
function isRequestScoped(wrapper: NestWrapper): boolean {
  return (
    !wrapper.isTransient && !wrapper.isDependencyTreeStatic() && !wrapper.isDependencyTreeDurable()
  );
}

function workerRunElsewhere(found: ForeignClass): Finding {
  const { ownerClass, library, unit, wrapper, methods } = found;
  const { name } = ownerClass;
  const what = methods.length === 0 ? `the code for its ${unit}s` : methods.join(', ');
  const ours = handlersOf(ownerClass);
  const remove = `Remove @ScopedWorker() from ${name}`;
  const remedy =
    ours.length === 0
      ? remove
      : isGateway(ownerClass) // only the instance that Nest builds at start-up has the WebSocket server
        ? `${remove}, move ${ours.map(({ method }) => method).join(', ')} to a worker that injects ${name}`
        : `Move ${what} to a class without @ScopedWorker()`;
  const message = `${name} is marked @ScopedWorker(), but ${calls(found)}, and that call doesn't go through this library. No ${unit} of ${library} gets a scope, and nothing is disposed after it. ${remedy}, and inject ProviderScopeFactory as scopes there. For each ${unit}, call scopes.run(async (scope) => { ... }).`;
  return finding({ kind: 'worker-run-elsewhere', subject: name, token: wrapper.token, message });
}

function messageHandlerScoped(found: ForeignClass, graph: ApplicationGraph): Finding {
  const { ownerClass, wrapper } = found;
  const { name } = ownerClass;
  const { why, chain } = whyNotStatic(ownerClass, wrapper, graph);
  const { text, isCertain } = lossOf(found, graph);
  const message = `${name}: ${calls(found)}, and ${why}. ${text} ${insteadOf(found, graph)}`;
  return finding({
    kind: 'message-handler-scoped',
    severity: isCertain ? undefined : 'info',
    subject: name,
    token: wrapper.token,
    chain: [name, ...chain.slice(1)],
    message,
  });
}

function insteadOf(
  { ownerClass: { name }, wrapper, unit }: ForeignClass,
  graph: ApplicationGraph,
): string {
  const run = 'scopes.run(async (scope) => { ... }).';
  const dependency = graph.chainToRequestScope(wrapper)?.[1];
  if (dependency === undefined)
    return `Make ${name} a singleton, and inject ProviderScopeFactory as scopes. For each ${unit}, call ${run}`;
  // A standalone scope has a different request.
  if (dependency.token === REQUEST)
    return `Remove REQUEST, so that ${name} is a singleton, and use the arguments of its methods instead.`;
  const { first, resolve } = inPlaceOf(dependency, graph.current);
  return `${first} inject ProviderScopeFactory as scopes, so that ${name} is a singleton. For each ${unit}, resolve ${resolve} in ${run}`;
}

function calls({ ownerClass: { name }, library, unit, methods }: ForeignClass): string {
  const what =
    methods.length === 0 ? name : methods.map((method) => `${name}.${method}`).join(', ');
  return `${library} calls ${what} for each ${unit}`;
}

/** Describes what goes wrong when another library calls a request-scoped class. */
function lossOf(
  { ownerClass: { name }, wrapper, library, unit, scoped }: ForeignClass,
  graph: ApplicationGraph,
): { text: string; isCertain: boolean } {
  if (scoped === 'never-constructed')
    return {
      isCertain: true,
      text: `${library} makes the call on an object that was never constructed: its dependencies are undefined.`,
    };
  const { methods, hasFactory } = undisposed(wrapper, graph);
  const [builder, each] = scoped === 'built-for-each' ? ['Nest', unit] : ['Nest 12', 'client'];
  const are = methods.length === 1 ? 'is' : 'are';
  const never = methods.length === 0 ? '' : `: ${methods.join(', ')} ${are} never called`;
  const text = `${builder} builds ${name} again for each ${each} and never disposes these instances${never}.`;
  if (scoped === 'built-for-each-client')
    return {
      isCertain: true,
      text: `${text} Nest 11 makes the call on an object that was never constructed.`,
    };
  if (methods.length > 0) return { isCertain: true, text };
  const hint = hasFactory
    ? 'No class in its tree has a disposer, but the results of its factories may have one.'
    : 'No class in its tree has a disposer now, so nothing stays open.';
  return { isCertain: false, text: `${text} ${hint}` };
}

/**
 * Lists the disposers and hooks of the instances that are built for a call, in the form `Class.method`, and says whether factories
 * may add more.
 */
function undisposed(
  wrapper: NestWrapper,
  { current }: ApplicationGraph,
): { methods: string[]; hasFactory: boolean } {
  const provider = current.of(wrapper);
  const tree = provider === undefined ? [] : current.scopedTree(provider).filter(livesInScope);
  const methods = tree.flatMap(({ name, disposer, scopeHooks }) =>
    [...(disposer === undefined ? [] : [disposer]), ...scopeHooks].map(
      (method) => `${name}.${method}`,
    ),
  );
  return {
    methods: [...new Set(methods)],
    hasFactory: tree.some(
      ({ kind, token }) => kind === 'factory' && token !== REQUEST && token !== INQUIRER,
    ),
  };
}
