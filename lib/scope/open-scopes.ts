import { Injectable } from '@nestjs/common';
import { ScopeClosedError } from '../errors/index.js';
import {
  buildsInFlight,
  createContextId,
  instancesInOrder,
  NestInside,
  type ContextId,
  type NestModule,
} from '../nest/index.js';
import { idSource } from './id-source.js';
import { Ownership } from './ownership.js';
import type { ScopeEnd } from './scope-end.js';
import { ScopeObserver } from './scope-observer.js';
import { ScopeSettings } from './scope-settings.js';
import { Scope, type ScopeHome, type ScopeKind } from './scope.js';

export interface ScopeOpening {
  readonly kind: ScopeKind;
  /** What `REQUEST` gives, and what a context id strategy sees. */
  readonly request?: unknown;
  readonly module?: NestModule;
  readonly schedule?: string;
  readonly tickId?: string;
}

const nextId = idSource('scope');

/** Opens scopes, counts them, and knows which scope a context id belongs to. */
@Injectable()
export class OpenScopes implements ScopeHome {
  readonly #open = new Set<Scope>();
  readonly #byContextId = new WeakMap<ContextId, Scope>();
  #refusal: string | undefined;
  openedCount = 0;
  closedCount = 0;

  constructor(
    readonly nest: NestInside,
    readonly ownership: Ownership,
    readonly observer: ScopeObserver,
    private readonly settings: ScopeSettings,
  ) {
    nest.watch((contextId) => this.#byContextId.get(contextId));
  }

  get disposeTimeoutMs(): number {
    return this.settings.disposeTimeoutMs;
  }

  get all(): ReadonlySet<Scope> {
    return this.#open;
  }

  /** @throws {ScopeClosedError} once the application's shutdown has begun to abort. */
  open(opening: ScopeOpening): Scope {
    if (this.#refusal !== undefined)
      throw new ScopeClosedError(undefined, `Cannot open a scope: ${this.#refusal}`);
    this.nest.watchNewModules();
    const scope = new Scope(
      {
        kind: opening.kind,
        id: nextId(),
        contextId: createContextId(opening.request),
        module: opening.module ?? this.nest.rootModule,
        schedule: opening.schedule,
        tickId: opening.tickId,
      },
      this,
    );
    this.#byContextId.set(scope.contextId, scope);
    if (opening.request !== undefined) this.nest.registerRequest(opening.request, scope.contextId);
    this.#open.add(scope);
    this.openedCount += 1;
    this.observer.scopeOpened(scope.notice);
    return scope;
  }

  /** Takes an ended scope off the list, and gives it a dead context id in place of its own. */
  retire(scope: Scope, end: ScopeEnd): ContextId {
    this.#open.delete(scope);
    this.closedCount += 1;
    this.observer.scopeClosed({ ...scope.notice, ...end });
    const dead: ContextId = { id: scope.contextId.id };
    this.#byContextId.set(dead, scope);
    return dead;
  }

  /** From now on nothing opens, and open scopes build nothing more. */
  refuse(why: string): void {
    this.#refusal = why;
    for (const scope of this.#open) scope.refusal = why;
  }

  /** Waits until nothing is being built under a context id any more. */
  async quiesce(contextId: ContextId): Promise<void> {
    const wrappers = [...this.nest.wrappers()].map((placed) => placed.wrapper);
    for (let idle = 0; idle < 2;) {
      // A dependency passes through a few microtasks between its lookup and its build.
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      const pending = buildsInFlight(wrappers, contextId);
      idle = pending.length === 0 ? idle + 1 : 0;
      await Promise.all(pending);
    }
  }

  /** Finds what was built for a scope since the last scan; for versions of Nest whose builds cannot be watched. */
  async scanBuilt(scope: Scope): Promise<void> {
    const wrappers = [...this.nest.wrappers()].map((placed) => placed.wrapper);
    for (const { instance, wrapper } of instancesInOrder(wrappers, scope.contextId)) {
      if (typeof instance !== 'object' || instance === null || scope.scanned.has(instance))
        continue;
      scope.scanned.add(instance);
      await scope.built(instance, wrapper);
    }
  }
}
