import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ScopedWorkerEvents } from 'nestjs-scoped-worker';

/** Prints what was done to schedules at run time; what goes wrong, the library logs. */
@Injectable()
export class ChangePrinter implements OnModuleInit {
  constructor(private readonly events: ScopedWorkerEvents) {}

  onModuleInit(): void {
    this.events.on('schedule:changed', ({ schedule, change }) =>
      console.log(`Schedule ${schedule}: ${change}`),
    );
  }
}
