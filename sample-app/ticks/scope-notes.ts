import { Injectable } from '@nestjs/common';
import type { ProviderScope } from 'nestjs-scoped-worker';
import type { EntityManager } from 'typeorm';
import { EntityManagerNumbers } from './entity-manager-numbers.js';

/** A note of the code that runs in a scope. */
export interface ScopeNote {
  /** The entity manager that the scope works with. */
  readonly manager?: EntityManager;
  readonly text?: string;
  /** The owner of a standalone scope; scopes of ticks have a schedule. */
  readonly owner?: string;
}

/** A note with the number of the entity manager instead of the manager. */
export interface TakenNote extends Omit<ScopeNote, 'manager'> {
  readonly entityManager?: number;
}

/** Keeps the notes of a scope until the scope has closed, so that a failed attempt has its note too. */
@Injectable()
export class ScopeNotes {
  readonly #notes = new Map<string, TakenNote>();

  constructor(private readonly managers: EntityManagerNumbers) {}

  /** Adds to the earlier notes of this scope. */
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
