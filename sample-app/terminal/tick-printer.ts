import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { TickEntry } from '../ticks/tick-entry.js';
import { TickJournal } from '../ticks/tick-journal.js';
import { TickTable } from './tick-table.js';

const ROWS_PER_HEADER = 20;

const KEY = `One line for each attempt of a tick: its entity manager, what was built for it,
how much of that had something to dispose, idle/total connections of the pool.
One connection of the pool listens to the outbox.`;

/** Outcomes that need no words where there is no room for them. */
const IS_PLAIN = new Set<TickEntry['outcome']>(['succeeded', 'ended']);

/** Prints one line for each attempt of a tick, under a header that comes again before it has left the screen. */
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
