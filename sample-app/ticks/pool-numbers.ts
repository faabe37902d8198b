import { Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';

/** The connections of the data source: those that are idle in the pool, and all. */
export interface PoolCount {
  readonly idle: number;
  readonly total: number;
}

/** Reads the `pg` pool of the data source. */
@Injectable()
export class PoolNumbers {
  constructor(private readonly dataSource: DataSource) {}

  now(): PoolCount {
    const { master } = this.dataSource.driver as unknown as { master: Pool };
    return { idle: master.idleCount, total: master.totalCount };
  }
}
