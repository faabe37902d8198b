import { ScopedInterval, ScopedWorker, type Tick } from 'nestjs-scoped-worker';
import { InjectScopedRepository } from 'nestjs-scoped-worker/typeorm';
import type { Repository } from 'typeorm';
import { ScopeNotes } from '../ticks/scope-notes.js';
import { EventLoopWatch } from './event-loop-watch.js';
import { HostSensors } from './host-sensors.js';
import { Reading } from './reading.entity.js';

const WATCH_MS = 250;

/** Reads the sensors of this host every second, and stores the readings. */
@ScopedWorker()
export class RecordingWorker {
  constructor(
    @InjectScopedRepository(Reading) private readonly readings: Repository<Reading>,
    private readonly eventLoop: EventLoopWatch,
    private readonly sensors: HostSensors,
    private readonly notes: ScopeNotes,
  ) {}

  @ScopedInterval(1_000, { name: 'recording' })
  async record(tick: Tick): Promise<void> {
    const eventLoopDelayMs = await this.eventLoop.averageDelayMs(WATCH_MS, tick.signal);
    const reading = await this.readings.save({
      at: new Date(),
      eventLoopDelayMs,
      ...(await this.sensors.read()),
    });
    this.notes.write(tick.scope, {
      manager: this.readings.manager,
      text: `load ${reading.loadAverage.toFixed(2)}, heap ${reading.heapUsedMb.toFixed(0)} MB`,
    });
  }
}
