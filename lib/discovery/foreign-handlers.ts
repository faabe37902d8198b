import 'reflect-metadata';
import { GATEWAY_METADATA, type NestModule, type NestWrapper } from '../nest/index.js';
import { methodsOf } from '../util/values.js';

/** The methods that another library calls on a class for each job, message or event. */
export interface ForeignHandlers {
  /** The library that calls them. */
  readonly library: string;
  /** What triggers a call, in the singular. */
  readonly unit: 'job' | 'message' | 'event';
  /** The names of the methods; empty if the library calls the class as a whole. */
  readonly methods: readonly string[];
  /** How the library treats a request-scoped class. */
  readonly scoped: 'built-for-each' | 'never-constructed' | 'built-for-each-client';
}

/** A decorator of another library, identified by its metadata key, because the packages are optional. */
interface Decorator extends Pick<ForeignHandlers, 'library' | 'unit'> {
  readonly key: string;
  /** Default: `built-for-each`. */
  readonly scoped?: ForeignHandlers['scoped'];
}

const ON_CLASSES: readonly (Decorator & { readonly methods: readonly string[] })[] = [
  {
    library: '@nestjs/bullmq',
    key: 'bullmq:processor_metadata',
    unit: 'job',
    methods: ['process'],
  },
  { library: '@nestjs/bull', key: 'bull:module_queue', unit: 'job', methods: [] },
  {
    library: '@nestjs/websockets',
    key: GATEWAY_METADATA,
    unit: 'message',
    methods: [],
    scoped: 'built-for-each-client',
  },
];

/** A key in the form `Symbol(NAME)` means a symbol that differs in each copy of the package. */
const ON_METHODS: readonly (Decorator & { readonly isForControllers?: boolean })[] = [
  { library: '@nestjs/event-emitter', key: 'EVENT_LISTENER_METADATA', unit: 'event' },
  {
    library: '@nestjs/microservices',
    key: 'microservices:handler_type',
    unit: 'message',
    isForControllers: true, // Nest ignores all other classes
  },
  {
    library: '@golevelup/nestjs-rabbitmq',
    key: 'Symbol(RABBIT_HANDLER)',
    unit: 'message',
    scoped: 'never-constructed',
  },
];

/** Returns the handlers that other libraries call on a class, one entry for each decorator. */
export function foreignHandlersOf(
  ownerClass: Function,
  wrapper: NestWrapper,
  module: NestModule,
): ForeignHandlers[] {
  const isController = module.controllers.get(wrapper.token) === wrapper;
  const found: ForeignHandlers[] = [];
  const add = ({ library, unit, scoped }: Decorator, methods: readonly string[]): void =>
    void found.push({ library, unit, methods, scoped: scoped ?? 'built-for-each' });
  if (!isController) {
    for (const decorator of ON_CLASSES)
      if (Reflect.hasMetadata(decorator.key, ownerClass)) add(decorator, decorator.methods);
  }
  const methods = methodsOf(ownerClass);
  for (const decorator of ON_METHODS) {
    if (decorator.isForControllers === true && !isController) continue;
    const marked = methods.flatMap(([name, method]) => (hasKey(method, decorator.key) ? name : []));
    if (marked.length > 0) add(decorator, marked);
  }
  return found;
}

function hasKey(method: Function, key: string): boolean {
  return Reflect.getMetadataKeys(method).some((known: unknown) => String(known) === key);
}
