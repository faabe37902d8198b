import 'reflect-metadata';
import { isGateway, type NestModule, type NestWrapper } from '../nest/index.js';
import { methodsOf } from './nest-schedules.js';

/** The methods of a class that another library calls for each job, message or event. */
export interface ForeignHandlers {
  /** The library that calls them. */
  readonly library: string;
  /** What triggers a call, in the singular. */
  readonly unit: 'job' | 'message' | 'event';
  /** Their names; empty if the library calls the class as a whole. */
  readonly methods: readonly string[];
  /** How the library treats a request-scoped class. */
  readonly scoped: 'built-for-each' | 'never-constructed' | 'built-for-each-client';
}

type Kind = Omit<ForeignHandlers, 'methods'>;

/** Class decorators, by their metadata keys, because the packages are optional. */
const ON_CLASSES: readonly (Kind & { readonly key: string; readonly method?: string })[] = [
  {
    library: '@nestjs/bullmq',
    key: 'bullmq:processor_metadata',
    method: 'process',
    unit: 'job',
    scoped: 'built-for-each',
  },
  {
    library: '@nestjs/bull',
    key: 'bull:module_queue',
    unit: 'job',
    scoped: 'built-for-each',
  },
];

/** Method decorators. A key in the form `Symbol(NAME)` is a symbol that differs in each copy of the package. */
const ON_METHODS: readonly (Kind & { readonly key: string; readonly place?: 'controller' })[] = [
  {
    library: '@nestjs/event-emitter',
    key: 'EVENT_LISTENER_METADATA',
    unit: 'event',
    scoped: 'built-for-each',
  },
  {
    library: '@nestjs/microservices',
    key: 'microservices:handler_type',
    place: 'controller', // Nest ignores all other classes
    unit: 'message',
    scoped: 'built-for-each',
  },
  {
    library: '@golevelup/nestjs-rabbitmq',
    key: 'Symbol(RABBIT_HANDLER)',
    unit: 'message',
    scoped: 'never-constructed',
  },
];

/** Returns the handlers of a class that other libraries call, by library. */
export function foreignHandlersOf(
  ownerClass: Function,
  wrapper: NestWrapper,
  module: NestModule,
): ForeignHandlers[] {
  const isController = module.controllers.get(wrapper.token) === wrapper;
  const found: ForeignHandlers[] = [];
  if (!isController) {
    for (const { key, method, ...kind } of ON_CLASSES) {
      if (Reflect.hasMetadata(key, ownerClass))
        found.push({ ...kind, methods: method === undefined ? [] : [method] });
    }
    if (isGateway(ownerClass))
      found.push({
        library: '@nestjs/websockets',
        unit: 'message',
        methods: [],
        scoped: 'built-for-each-client',
      });
  }
  const methods = methodsOf(ownerClass);
  for (const { key, place, ...kind } of ON_METHODS) {
    if (place === 'controller' && !isController) continue;
    const marked = methods.filter(([, method]) => hasKey(method, key)).map(([name]) => name);
    if (marked.length > 0) found.push({ ...kind, methods: marked });
  }
  return found;
}

function hasKey(method: Function, key: string): boolean {
  return Reflect.getMetadataKeys(method).some((known: unknown) => String(known) === key);
}
