import { hasMethod } from '../util/has-method.js';

/** How an instance may be disposed, in the order of preference: the first that it has is called. */
export const DISPOSERS = [
  [Symbol.asyncDispose, '[Symbol.asyncDispose]'],
  [Symbol.dispose, '[Symbol.dispose]'],
  ['onModuleDestroy', 'onModuleDestroy'],
] as const;

const LIFECYCLE_HOOKS = [
  'onModuleInit',
  'onApplicationBootstrap',
  'onModuleDestroy',
  'beforeApplicationShutdown',
  'onApplicationShutdown',
] as const;

const SCOPE_HOOKS = ['onScopeInit', 'onScopeCommit', 'onScopeRollback'] as const;

/** The disposer that instances of a class have; one that a constructor assigns is not known. */
export function disposerOfClass(type: Function): string | undefined {
  return DISPOSERS.find(([method]) => hasMethod(type, method))?.[1];
}

export function lifecycleHooksOf(type: Function): string[] {
  return LIFECYCLE_HOOKS.filter((method) => hasMethod(type, method));
}

export function scopeHooksOf(type: Function): string[] {
  return SCOPE_HOOKS.filter((method) => hasMethod(type, method));
}
