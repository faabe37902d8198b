import { Module } from '@nestjs/common';
import { TicksModule } from '../ticks/ticks.module.js';
import { ChangePrinter } from './change-printer.js';
import { TickPrinter } from './tick-printer.js';

@Module({ imports: [TicksModule], providers: [ChangePrinter, TickPrinter] })
export class TerminalModule {}
