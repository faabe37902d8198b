import type { OnModuleDestroy } from '@nestjs/common';
import { memberReader } from './values.js';

/** The disposers of an instance, in order of preference: only the first one that the instance has is called. */
export const DISPOSERS = [
  {
    method: Symbol.asyncDispose,
    text: '[Symbol.asyncDispose]',
    of: memberReader<AsyncDisposable>((instance) => instance[Symbol.asyncDispose]),
  },
  {
    method: Symbol.dispose,
    text: '[Symbol.dispose]',
    of: memberReader<Disposable>((instance) => instance[Symbol.dispose]),
  },
  {
    method: 'onModuleDestroy',
    text: 'onModuleDestroy',
    of: memberReader<OnModuleDestroy>((instance) => instance.onModuleDestroy),
  },
] as const;
