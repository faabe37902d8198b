import { nameProblem, show } from '../util/option-checks.js';
import {
  fromProvidersProblem,
  isFromProviders,
  type FromProviders,
} from '../schedule/from-providers.js';
import type { ProvidedValues } from './decorator-values.js';
import type { HandlerMetadata } from '../decorators/handler-metadata.js';
import type { FoundWorker } from './worker-explorer.js';

/**
 * One decorator on a method of a worker, with the name of its schedule. `SchedulePlanner` rejects two schedules with the same
 * name.
 */
export interface NamedHandler {
  readonly worker: FoundWorker;
  readonly metadata: HandlerMetadata;
  /** The handler, in the form `Class.method`. */
  readonly handler: string;
  /** The name of the schedule; `Class.method` until a factory has returned the name. */
  readonly name: string;
  /** The factory that returns the name, if it hasn't been called yet. */
  readonly nameFrom?: FromProviders<string>;
  /** One sentence that says why the handler has no name. */
  readonly nameProblem?: string;
}

/** Returns the name of a handler in messages: `Class.method`. */
export function handlerName(ownerClass: Function, { method }: HandlerMetadata): string {
  return `${ownerClass.name}.${method}`;
}

/**
 * Returns the handlers of a worker with the names from their decorators. If a method has several decorators without a name,
 * the default name of the second ends with `#2`.
 */
export function writtenNames(worker: FoundWorker): NamedHandler[] {
  const unnamed = new Map<string, number>();
  return worker.handlers.map((metadata) => {
    const given: unknown = metadata.options?.name;
    const handler = handlerName(worker.workerClass, metadata);
    const named = { worker, metadata, handler };
    if (isFromProviders(given) && fromProvidersProblem(given) === undefined)
      return { ...named, name: handler, nameFrom: given as FromProviders<string> };
    // A name that isn't a string is rejected later, with the other options. Until then, its text serves as the name.
    if (given !== undefined)
      return { ...named, name: typeof given === 'string' ? given : show(given) };
    const count = (unnamed.get(handler) ?? 0) + 1;
    unnamed.set(handler, count);
    return { ...named, name: count === 1 ? handler : `${handler}#${count}` };
  });
}

/** Calls the factory for the handler's name, if there is one. Returns the handler with that name. */
export async function askedName(
  named: NamedHandler,
  provided: ProvidedValues,
): Promise<NamedHandler> {
  const { nameFrom, ...rest } = named;
  if (nameFrom === undefined) return named;
  const { value, problem } = await provided.fromFactory(nameFrom, named.worker.wrapper.host!);
  const wrong = problem ?? nameProblem(value);
  return wrong === undefined ? { ...rest, name: value as string } : withoutName(named, wrong);
}

/** Returns the handler, and adds the reason if the factory for its name can't be called. Doesn't call the factory. */
export function unaskedName(named: NamedHandler, provided: ProvidedValues): NamedHandler {
  const { nameFrom, worker } = named;
  const problem = nameFrom && provided.factoryProblem(nameFrom, worker.wrapper.host!);
  return problem === undefined ? named : withoutName(named, problem);
}

function withoutName(
  { nameFrom: _factory, ...named }: NamedHandler,
  problem: string,
): NamedHandler {
  const { handler, metadata } = named;
  return { ...named, nameProblem: `${handler}: the name of ${metadata.decorator} ${problem}.` };
}
