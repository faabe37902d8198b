import { DISPOSERS } from '../nest/index.js';
import { hasMethod } from '../util/values.js';

const LIFECYCLE_HOOKS = [
  'onModuleInit',
  'onApplicationBootstrap',
  'onModuleDestroy',
  'beforeApplicationShutdown',
  'onApplicationShutdown',
] as const;

const SCOPE_HOOKS = ['onScopeInit', 'onScopeCommit', 'onScopeRollback'] as const;

/** Returns the disposer that instances of a class have. A disposer that a constructor assigns isn't known. */
export function disposerOfClass(type: Function): string | undefined {
  return DISPOSERS.find(([method]) => hasMethod(type, method))?.[1];
}

export function lifecycleHooksOf(type: Function): string[] {
  return LIFECYCLE_HOOKS.filter((method) => hasMethod(type, method));
}

export function scopeHooksOf(type: Function): string[] {
  return SCOPE_HOOKS.filter((method) => hasMethod(type, method));
}
