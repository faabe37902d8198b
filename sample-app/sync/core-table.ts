import { Injectable } from '@nestjs/common';
import { InjectScopedRepository } from 'nestjs-scoped-worker/typeorm';
import { cpus } from 'node:os';
import { Not, In, type Repository, type EntityManager } from 'typeorm';
import { Core } from './core.entity.js';

/** Updates the table of this host's cores. New in each scope, like its repository. */
@Injectable()
export class CoreTable {
  constructor(@InjectScopedRepository(Core) private readonly cores: Repository<Core>) {}

  get manager(): EntityManager {
    return this.cores.manager;
  }

  /** @returns the number of cores. */
  async update(): Promise<number> {
    const syncedAt = new Date();
    const found = cpus().map(({ model, times }, number) => ({
      number,
      model,
      busySeconds: (times.user + times.nice + times.sys + times.irq) / 1000,
      syncedAt,
    }));
    await this.cores.save(found);
    await this.cores.delete({ number: Not(In(found.map(({ number }) => number))) });
    return found.length;
  }
}
