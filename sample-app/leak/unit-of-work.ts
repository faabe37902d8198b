import { Injectable, Scope } from '@nestjs/common';

export interface Row {
  readonly id: number;
  readonly text: string;
}

/** Works like an entity manager: it keeps every row that it has read, so that a row read twice is one object. */
@Injectable({ scope: Scope.REQUEST })
export class UnitOfWork {
  readonly #rows = new Map<number, Row>();
  #isOpen = true;

  /** Reads new rows each time, as from a growing table. */
  read(from: number, count: number): void {
    for (let id = from; id < from + count; id += 1)
      this.#rows.set(id, { id, text: `${id} `.repeat(40) });
  }

  get size(): number {
    return this.#rows.size;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  onModuleDestroy(): void {
    this.#isOpen = false;
    this.#rows.clear();
  }
}
