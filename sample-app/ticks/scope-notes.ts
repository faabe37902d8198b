import { Injectable } from '@nestjs/common';
import type { ProviderScope } from 'nestjs-scoped-worker';
import type { EntityManager } from 'typeorm';
import { EntityManagerNumbers } from './entity-manager-numbers.js';

/** What the code in a scope says of it. */
export interface ScopeNote {
  /** The entity manager that the scope works with. */
  readonly manager?: EntityManager;
  readonly text?: string;
  /** Whose scope it is. For scopes by hand: those of ticks have a schedule. */
  readonly owner?: string;
}

/** A note, with the number of the entity manager in its place. */
export interface TakenNote extends Omit<ScopeNote, 'manager'> {
  readonly entityManager?: number;
}

/** Keeps what is noted in a scope until the scope has ended, so that a failed attempt has its note as well. */
@Injectable()
export class ScopeNotes {
  readonly #notes = new Map<string, TakenNote>();

  constructor(private readonly managers: EntityManagerNumbers) {}

  /** Adds to what was noted in this scope before. */
  write({ id }: Pick<ProviderScope, 'id'>, { manager, ...note }: ScopeNote): void {
    const entityManager = manager && { entityManager: this.managers.of(manager) };
    this.#notes.set(id, { ...this.#notes.get(id), ...note, ...entityManager });
  }

  take(scopeId: string): TakenNote {
    const note = this.#notes.get(scopeId) ?? {};
    this.#notes.delete(scopeId);
    return note;
  }
}
