import type { NestModule } from '../nest/index.js';

/** How a scope is ended: by the runner of a tick, by `ProviderScopeFactory.run()`, or by hand. */
export type ScopeKind = 'tick' | 'run' | 'open';

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
