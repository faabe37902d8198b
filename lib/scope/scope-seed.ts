import type { NestModule } from '../nest/index.js';

/**
 * How a scope ends: by the runner of a tick, which is due or comes from `ProviderScopeFactory.run()` with a name; by
 * `ProviderScopeFactory.run()` without one; or by the code that opened it.
 */
export const SCOPE_KINDS = ['tick', 'tick-by-hand', 'run', 'open'] as const;

export type ScopeKind = (typeof SCOPE_KINDS)[number];

export interface ScopeSeed {
  readonly kind: ScopeKind;
  readonly id: string;
  /** Where a strict resolve looks. */
  readonly module: NestModule;
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
  /** What was called to open a scope by hand; it is on the stack while the scope is made. */
  readonly opener: Function | undefined;
}
