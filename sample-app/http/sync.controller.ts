import { BadRequestException, Controller, Get, HttpCode, Post, Put, Query } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { Core } from '../sync/core.entity.js';
import { SyncWorker } from '../sync/sync.worker.js';
import { numberIn } from './number-in.js';

interface SyncView {
  readonly periodMs: number;
  readonly iterations: number;
  readonly failuresToCome: number;
  readonly cores: readonly Core[];
}

@Controller('sync')
export class SyncController {
  constructor(
    private readonly worker: SyncWorker,
    @InjectRepository(Core) private readonly cores: Repository<Core>,
  ) {}

  @Get()
  async show(): Promise<SyncView> {
    const { periodMs, iterations, failuresToCome } = this.worker;
    const cores = await this.cores.find({ order: { number: 'ASC' } });
    return { periodMs, iterations, failuresToCome, cores };
  }

  /** Runs the loop every `ms` milliseconds from now on. */
  @Put('period')
  setPeriod(@Query('ms') ms?: string): Promise<SyncView> {
    this.worker.periodMs = numberIn(ms)!; // the library checks it
    return this.show();
  }

  /** Makes the next iteration fail, or the next `times` iterations. */
  @Post('fail')
  @HttpCode(200)
  fail(@Query('times') times = '1'): Promise<SyncView> {
    if (!/^[1-9]\d?$/.test(times)) {
      throw new BadRequestException(
        `times must be a whole number from 1 to 99, not ${JSON.stringify(times)}.`,
      );
    }
    this.worker.failNext(Number(times));
    return this.show();
  }
}
