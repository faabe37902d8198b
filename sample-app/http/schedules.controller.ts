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

/** An unchecked query: the library checks it, and reports what is wrong. */
type Asked = Readonly<Partial<Record<'name' | 'cron' | 'everyMs' | 'misfire', string>>>;

/** Shows the schedules of this process, and changes them at run time. */
@Controller('schedules')
export class SchedulesController {
  constructor(private readonly registry: ScopedWorkerRegistry) {}

  @Get()
  list(): ScheduleView[] {
    return this.registry.list().map(viewOfSchedule);
  }

  /** Adds a schedule that shows how late its ticks are: `?name=late&everyMs=1000&misfire=all`. */
  @Post()
  add(@Query() { name, misfire, ...timing }: Asked): ScheduleView {
    const definition = { name, misfire, handler: 'LatenessWorker.tell', ...timingIn(timing) };
    return viewOfSchedule(this.registry.add(definition as ScheduleDefinition));
  }

  /** Changes its timing: `?everyMs=2000`, or `?cron=` with an expression. */
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

  /** Responds when the tick has finished, even if it failed. */
  @Post(':name/run')
  @HttpCode(200)
  async run(@Param('name') name: string): Promise<ReportView> {
    if (this.registry.get(name).kind === 'message') {
      throw new BadRequestException(`"${name}" runs for messages. POST /orders sends it one.`);
    }
    return viewOfReport(await this.registry.run(name));
  }
}

function timingIn({ cron, everyMs }: Asked): ScheduleTiming {
  return { cron, everyMs: numberIn(everyMs) } as ScheduleTiming;
}
