import { Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';

/** Connections of the data source: those that wait in the pool, and all. */
export interface PoolCount {
  readonly idle: number;
  readonly total: number;
}

/** Looks into the pool of `pg` behind the data source. */
@Injectable()
export class PoolNumbers {
  constructor(private readonly dataSource: DataSource) {}

  now(): PoolCount {
    const { master } = this.dataSource.driver as unknown as { master: Pool };
    return { idle: master.idleCount, total: master.totalCount };
  }
}
