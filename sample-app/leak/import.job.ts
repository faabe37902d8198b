import { Injectable } from '@nestjs/common';
import { UnitOfWork } from './unit-of-work.js';

const ROWS = 100;

/** The job that both workers run on every tick. */
@Injectable()
export class ImportJob {
  #next = 0;

  run(unit: UnitOfWork): void {
    unit.read(this.#next, ROWS);
    this.#next += ROWS;
  }
}
