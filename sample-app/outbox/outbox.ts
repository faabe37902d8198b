import type { Provider } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { outboxSource } from 'nestjs-scoped-worker/typeorm';
import type { DataSource } from 'typeorm';
import { OutboxMessage } from './outbox-message.entity.js';

/** The token of the source of orders. */
export const OUTBOX = Symbol('OUTBOX');

/** Polls often, so that the next delivery soon appears in the terminal. */
export const outboxProvider: Provider = {
  provide: OUTBOX,
  inject: [getDataSourceToken()],
  useFactory: (dataSource: DataSource) =>
    outboxSource(OutboxMessage, dataSource, { pollMs: 250, retryDelayMs: 500 }),
};
