import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

/** Numbers entity managers in order of first use, without keeping them alive. */
@Injectable()
export class EntityManagerNumbers {
  readonly #numbers = new WeakMap<EntityManager, number>();
  #count = 0;

  of(manager: EntityManager): number {
    let number = this.#numbers.get(manager);
    if (number === undefined) this.#numbers.set(manager, (number = this.#count += 1));
    return number;
  }
}
