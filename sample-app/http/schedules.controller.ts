import {
  BadRequestException,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
} from '@nestjs/common';
import {
  ScopedWorkerRegistry,
  type ScheduleDefinition,
  type ScheduleTiming,
} from 'nestjs-scoped-worker';
import { numberIn } from './number-in.js';
import {
  viewOfReport,
  viewOfSchedule,
  type ReportView,
  type ScheduleView,
} from './schedule-views.js';

/** A query, unchecked: the library checks, and says what is wrong. */
type Asked = Readonly<Partial<Record<'name' | 'cron' | 'everyMs' | 'misfire', string>>>;

/** The schedules of this process, and what can be done to them while it runs. */
@Controller('schedules')
export class SchedulesController {
  constructor(private readonly registry: ScopedWorkerRegistry) {}

  @Get()
  list(): ScheduleView[] {
    return this.registry.list().map(viewOfSchedule);
  }

  /** Adds one that tells how late its ticks are: `?name=late&everyMs=1000&misfire=all`. */
  @Post()
  add(@Query() { name, misfire, ...timing }: Asked): ScheduleView {
    const definition = { name, misfire, handler: 'LatenessWorker.tell', ...timingIn(timing) };
    return viewOfSchedule(this.registry.add(definition as ScheduleDefinition));
  }

  /** Gives it another timing: `?everyMs=2000`, or `?cron=` with an expression. */
  @Put(':name')
  reschedule(@Param('name') name: string, @Query() timing: Asked): ScheduleView {
    return viewOfSchedule(this.registry.reschedule(name, timingIn(timing)));
  }

  @Delete(':name')
  @HttpCode(204)
  remove(@Param('name') name: string): void {
    this.registry.remove(name);
  }

  @Post(':name/pause')
  @HttpCode(200)
  pause(@Param('name') name: string): ScheduleView {
    this.registry.pause(name);
    return viewOfSchedule(this.registry.get(name));
  }

  @Post(':name/resume')
  @HttpCode(200)
  resume(@Param('name') name: string): ScheduleView {
    this.registry.resume(name);
    return viewOfSchedule(this.registry.get(name));
  }

  /** Answers when the tick has ended, whatever became of it. */
  @Post(':name/run')
  @HttpCode(200)
  async run(@Param('name') name: string): Promise<ReportView> {
    if (this.registry.get(name).kind === 'message') {
      throw new BadRequestException(`"${name}" runs for messages. POST /orders gives it one.`);
    }
    return viewOfReport(await this.registry.run(name));
  }
}

function timingIn({ cron, everyMs }: Asked): ScheduleTiming {
  return { cron, everyMs: numberIn(everyMs) } as ScheduleTiming;
}
