import { Module } from '@nestjs/common';
import { TicksModule } from '../ticks/ticks.module.js';
import { TickPrinter } from './tick-printer.js';

@Module({ imports: [TicksModule], providers: [TickPrinter] })
export class TerminalModule {}
