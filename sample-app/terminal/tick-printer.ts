import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { TickEntry } from '../ticks/tick-entry.js';
import { TickJournal } from '../ticks/tick-journal.js';
import { TickTable } from './tick-table.js';

const ROWS_PER_HEADER = 20;

const KEY = `One line for each attempt of a tick: its entity manager, the number of instances built,
the number of those that were disposed, idle/total connections of the pool.
One connection of the pool listens to the outbox.`;

/** Outcomes that a narrow table doesn't explain. */
const IS_PLAIN = new Set<TickEntry['outcome']>(['succeeded', 'ended']);

/** Prints one line for each attempt of a tick, and repeats the header before it scrolls off the screen. */
@Injectable()
export class TickPrinter implements OnModuleInit {
  #table: TickTable | undefined;
  #rows = 0;

  constructor(private readonly journal: TickJournal) {}

  onModuleInit(): void {
    this.journal.onEntry((entry) => this.print(entry));
  }

  private print(entry: TickEntry): void {
    const table = TickTable.for(process.stdout.isTTY ? process.stdout.columns : undefined);
    if (this.#rows === 0) console.log(KEY);
    const isRepeated = process.stdout.isTTY && this.#rows % ROWS_PER_HEADER === 0;
    if (this.#table?.isWide !== table.isWide || isRepeated) console.log(table.header());
    console.log(table.row(entry));
    if (!table.isWide && !IS_PLAIN.has(entry.outcome)) console.log(`  ${entry.note}`);
    this.#table = table;
    this.#rows += 1;
  }
}
