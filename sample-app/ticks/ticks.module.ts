import { Module } from '@nestjs/common';
import { EntityManagerNumbers } from './entity-manager-numbers.js';
import { PoolNumbers } from './pool-numbers.js';
import { ScopeNotes } from './scope-notes.js';
import { TickJournal } from './tick-journal.js';

@Module({
  providers: [EntityManagerNumbers, PoolNumbers, ScopeNotes, TickJournal],
  exports: [PoolNumbers, ScopeNotes, TickJournal],
})
export class TicksModule {}
