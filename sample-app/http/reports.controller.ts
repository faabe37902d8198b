import { Controller, Get } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { Report } from '../report/report.entity.js';

@Controller('reports')
export class ReportsController {
  constructor(@InjectRepository(Report) private readonly reports: Repository<Report>) {}

  /** Returns the latest reports, newest first. */
  @Get()
  latest(): Promise<Report[]> {
    return this.reports.find({ order: { id: 'DESC' }, take: 60 });
  }
}
