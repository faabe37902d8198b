import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ScopedWorkerEvents } from 'nestjs-scoped-worker';

/** Prints changes of schedules at run time; the library itself logs failures. */
@Injectable()
export class ChangePrinter implements OnModuleInit {
  constructor(private readonly events: ScopedWorkerEvents) {}

  onModuleInit(): void {
    this.events.on('schedule:changed', ({ schedule, change }) =>
      console.log(`Schedule ${schedule}: ${change}`),
    );
  }
}
