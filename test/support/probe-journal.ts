import { Injectable, Scope } from '@nestjs/common';

/** Every Probe that an application has built and disposed, in that order. */
@Injectable()
export class ProbeJournal {
  readonly created: Probe[] = [];
  readonly disposed: Probe[] = [];

  /** Probes that were built and are not disposed. */
  get alive(): Probe[] {
    return this.created.filter((probe) => !this.disposed.includes(probe));
  }
}

/** A request-scoped provider that records its construction and its disposal. */
@Injectable({ scope: Scope.REQUEST })
export class Probe {
  readonly id: number;
  isDisposed = false;

  constructor(private readonly journal: ProbeJournal) {
    this.id = journal.created.push(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
    this.isDisposed = true;
    this.journal.disposed.push(this);
  }
}

/** For the providers of a test's application. */
export const PROBES = [ProbeJournal, Probe];

/** A cron expression that is not due while a test runs: its schedule is run by hand. */
export const YEARLY = '@yearly';
