import { Controller, Get } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { Reading } from '../recording/reading.entity.js';

@Controller('readings')
export class ReadingsController {
  constructor(@InjectRepository(Reading) private readonly readings: Repository<Reading>) {}

  /** Returns the readings of about the last minute, newest first. */
  @Get()
  latest(): Promise<Reading[]> {
    return this.readings.find({ order: { id: 'DESC' }, take: 60 });
  }
}
