import { isMarkedItself } from '../decorators/handler-metadata.js';
import { finding, type Finding } from '../errors/finding.js';
import {
  isGateway,
  isOwnToken,
  isReadyMade,
  isSingleton,
  tokenText,
  type NestWrapper,
} from '../nest/index.js';
import { isBackgroundWorker } from './background-explorer.js';
import type { Difference } from './same-worker.js';
import { handlerName, type NamedHandler } from './schedule-names.js';
import type { Exploration, FoundWorker } from './worker-explorer.js';

export function invalid(subject: string, message: string): Finding {
  return finding({ kind: 'invalid-schedule', subject, message });
}

export function duplicate(name: string, earlier: NamedHandler, later: NamedHandler): Finding {
  const [one, other] = [earlier.handler, later.handler];
  const { difference } = later.worker;
  const isOneClass = earlier.worker.workerClass === later.worker.workerClass;
  const message =
    isOneClass && one === other && difference !== undefined
      ? `${other}: two schedules would have the name "${name}". ${twinText(earlier.worker, later.worker, difference)}, so each of these workers has to run. ${twinHelp(later, difference)}`
      : one === other && !isOneClass
        ? `${placed(later)}: its schedule "${name}" has the same name as a schedule of ${placed(earlier)}, which is a different class. Rename one of them: { name: '...' }.`
        : `${other}: its schedule "${name}" has the same name as a schedule of ${one}. Rename one of them: { name: '...' }.`;
  return finding({ kind: 'duplicate-schedule', subject: other, message });
}

/** Returns the handler with its module, because two classes have the same name. */
function placed({ handler, worker }: NamedHandler): string {
  return `${handler} in ${worker.modules[0]!.name}`;
}

function twinText(earlier: FoundWorker, later: FoundWorker, { token }: Difference): string {
  const { name } = later.workerClass;
  const [one, other] = [earlier, later].map(({ modules }) => modules[0]!);
  const where =
    one!.metatype === other!.metatype
      ? `${one!.name} is imported more than once and provides ${name}`
      : `${one!.name} and ${other!.name} provide ${name}`;
  return `${where} with different dependencies (${tokenText(token)})`;
}

function twinHelp({ metadata, worker }: NamedHandler, { token }: Difference): string {
  // No name can be computed from a repository's connection.
  if (isOwnToken(token))
    return `Provide ${worker.workerClass.name} in one module only, or set the same options for its repositories in each ScopedTypeOrmModule.forFeature().`;
  const name = "{ name: { inject: [...], useFactory: (...) => '...' } }";
  const same = `from a provider that differs between the workers, such as ${tokenText(token)}, and return the same name on every start`;
  return metadata.isAdopted === true
    ? `Mark ${worker.workerClass.name} @ScopedWorker(), use @Scoped${metadata.decorator.slice(1)}, and compute the name ${same}: ${name}.`
    : `Compute the name ${same}: ${name}.`;
}

export function unmarkedFindings({ unmarked }: Exploration): Finding[] {
  return unmarked.flatMap(({ ownerClass, handlers, isModule }) =>
    handlers.map((metadata) => {
      const handler = handlerName(ownerClass, metadata);
      const help = whyNoWorker(ownerClass, isModule);
      return invalid(handler, `${handler}: ${metadata.decorator} needs a worker, but ${help}`);
    }),
  );
}

function whyNoWorker(ownerClass: Function, isModule: boolean): string {
  const { name } = ownerClass;
  const move = 'Move the method to a provider marked @ScopedWorker().';
  if (isModule) return `${name} is a module, which Nest builds once. ${move}`;
  if (isBackgroundWorker(ownerClass)) return `${name} is a BackgroundWorker. ${move}`;
  if (isGateway(ownerClass))
    return `${name} is a gateway, and only the instance that Nest builds at start-up has the WebSocket server. Move the method to a provider that is marked @ScopedWorker() and injects ${name}.`;
  return `${name} isn't one. Mark the class @ScopedWorker().`;
}

export function unprovidedFindings({ unprovided }: Exploration): Finding[] {
  return unprovided.map((worker) => {
    const { name } = worker;
    const message = `${name} is marked @ScopedWorker(), but no module of this application provides it. Its handlers never run. Add it to the providers of a module.`;
    return finding({ kind: 'worker-not-provided', subject: name, token: worker, message });
  });
}

/** Reports a worker that isn't new for each tick. */
export function placementFindings({ workerClass, wrapper, handlers }: FoundWorker): Finding[] {
  if (handlers.length === 0) return [];
  const { name } = workerClass;
  if (isReadyMade(wrapper)) {
    const message = `${name} is provided as a ready-made value, so ticks cannot get new instances of it. Its schedules are disabled. To run them, provide the class itself.`;
    return [finding({ kind: 'worker-ready-made', subject: name, token: workerClass, message })];
  }
  const isMarked = isMarkedItself(workerClass);
  const why = whyNotNew(wrapper, isMarked);
  if (why === undefined) return [];
  const message = `${name} ${isMarked ? 'is' : 'extends a class'} marked @ScopedWorker()${why}`;
  return [finding({ kind: 'worker-not-scoped', subject: name, token: workerClass, message })];
}

/** Returns the rest of the message: the reason and what to do. Returns undefined if each tick has a new instance. */
function whyNotNew(wrapper: NestWrapper, isMarked: boolean): string | undefined {
  if (wrapper.isDependencyTreeDurable())
    return ' and durable, but a worker is new for each tick. Remove durable from it. Its dependencies can stay durable.';
  if (!isSingleton(wrapper)) return undefined;
  const help = wrapper.inject
    ? 'Add scope: Scope.REQUEST to its factory.'
    : !isMarked
      ? `Mark ${String(wrapper.name)} itself @ScopedWorker(), in place of @Injectable().`
      : 'Move @ScopedWorker() above the other decorators of the class, so that none of them resets its scope.';
  return `, but Nest builds it once for the whole application. All ticks would share that instance, and no tick would dispose it. ${help}`;
}

export function repeatedFindings({ workerClass, modules }: FoundWorker): Finding[] {
  if (new Set(modules).size < 2) return [];
  const names = [...new Map(modules.map(({ metatype, name }) => [metatype, name])).values()];
  const [where, home] =
    names.length === 1
      ? [`${names[0]}, which is imported more than once`, 'a module that is imported once']
      : [names.join(', '), 'one module'];
  const { name } = workerClass;
  const message = `${name} is provided in ${where}. Its schedules run once, on the worker of ${names[0]}. Provide it in ${home}.`;
  return [finding({ kind: 'worker-provided-twice', subject: name, token: workerClass, message })];
}
