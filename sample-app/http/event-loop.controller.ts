import { BadRequestException, Controller, HttpCode, Post, Query } from '@nestjs/common';

/** Blocks the event loop, as a long computation would, so that slots are missed. */
@Controller('event-loop')
export class EventLoopController {
  @Post('block')
  @HttpCode(200)
  block(@Query('ms') ms = '3500'): { blockedMs: number } {
    if (!/^[1-9]\d{0,3}$/.test(ms)) {
      throw new BadRequestException(
        `ms must be a whole number from 1 to 9999, not ${JSON.stringify(ms)}.`,
      );
    }
    const startedAt = performance.now();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));
    return { blockedMs: Math.round(performance.now() - startedAt) };
  }
}
