import type { Provider } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { outboxSource } from 'nestjs-scoped-worker/typeorm';
import type { DataSource } from 'typeorm';
import { OutboxMessage } from './outbox-message.entity.js';

/** The token of the source that the orders come from. */
export const OUTBOX = Symbol('OUTBOX');

/** Looks again soon, so that the next delivery can be waited for at the terminal. */
export const outboxProvider: Provider = {
  provide: OUTBOX,
  inject: [getDataSourceToken()],
  useFactory: (dataSource: DataSource) =>
    outboxSource(OutboxMessage, dataSource, { pollMs: 250, retryDelayMs: 500 }),
};
