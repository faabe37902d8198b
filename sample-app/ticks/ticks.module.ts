import { Module } from '@nestjs/common';
import { EntityManagerNumbers } from './entity-manager-numbers.js';
import { PoolNumbers } from './pool-numbers.js';
import { TickJournal } from './tick-journal.js';

const providers = [EntityManagerNumbers, PoolNumbers, TickJournal];

@Module({ providers, exports: providers })
export class TicksModule {}
