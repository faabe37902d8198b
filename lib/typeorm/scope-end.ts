import type { ScopeNotice } from '../scope/scope-ports.js';
import { contexts } from '../scope/work-context.js';

/** Returns whether the calling code is a hook or a disposer of this scope. */
export function isInEndOf(scope: ScopeNotice | undefined): boolean {
  return [...contexts()].some(
    ({ isEnd, owner }) =>
      isEnd && (owner as { notice?: ScopeNotice } | undefined)?.notice === scope,
  );
}
