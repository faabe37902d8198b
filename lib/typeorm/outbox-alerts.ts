import { Logger } from '@nestjs/common';
import type { EventEmitter } from 'node:events';
import type { DataSource, QueryRunner } from 'typeorm';
import { loggedError } from '../errors/error-log.js';
import { Backoff } from '../util/backoff.js';
import { pause } from '../util/pause.js';
import { quoteIdentifier } from './outbox-columns.js';

/** A query runner with TypeORM's method that releases a connection and makes the pool close it. */
interface PostgresRunner extends QueryRunner {
  releasePostgresConnection?(reason: Error): Promise<void>;
}

/**
 * Wakes a waiting reader on a notification, and each time a connection begins to listen, because PostgreSQL doesn't repeat
 * missed notifications.
 */
export class OutboxAlerts {
  readonly #logger = new Logger('ScopedWorker');
  readonly #stopped = new AbortController();
  readonly #backoff = new Backoff(200, 30_000);
  #isRung = false;
  #waiting: AbortController | undefined;
  #isTroubled = false;
  #isListening = false;

  constructor(private readonly dataSource: DataSource) {}

  /**
   * Listens until `stop()`, or until the data source is destroyed. Destroying it also wakes the reader. Never throws connection
   * errors, because the reader polls as well. Does nothing if this object is already listening.
   */
  async listen(channel: string): Promise<void> {
    if (this.#isListening) return;
    this.#isListening = true;
    const { signal } = this.#stopped;
    while (!signal.aborted && this.dataSource.isInitialized) {
      try {
        await this.listenOnce(channel);
      } catch (error) {
        this.warn(channel, error);
      }
      await pause(this.#backoff.next(), signal);
    }
    this.#isListening = false;
    this.ring();
  }

  /** Waits `ms` milliseconds, or until a notification arrives. Returns immediately if one has arrived since the last wait. */
  async wait(ms: number): Promise<void> {
    if (!this.#isRung) {
      this.#waiting = new AbortController();
      await pause(ms, this.#waiting.signal);
    }
    this.#isRung = false;
  }

  /** Ends the wait and releases the connection. */
  readonly stop = (): void => {
    this.#stopped.abort();
    this.ring();
  };

  private ring(): void {
    this.#isRung = true;
    this.#waiting?.abort();
  }

  /** Listens on one connection. Rejects when the connection is lost, and resolves after `stop()`. */
  private async listenOnce(channel: string): Promise<void> {
    const { signal } = this.#stopped;
    const runner: PostgresRunner = this.dataSource.createQueryRunner('master');
    const client = (await runner.connect()) as EventEmitter;
    let stop!: () => void;
    let giveUp!: (error: Error) => void;
    const over = new Promise<void>((resolve, reject) => {
      stop = resolve;
      giveUp = reject;
    });
    over.catch(() => undefined); // the connection may be lost before `over` is awaited
    const onEnd = (): void => giveUp(new Error('the connection was closed'));
    const onNotification = (message: { channel?: unknown }): void => {
      if (message.channel === channel) this.ring();
    };
    client.on('error', giveUp).on('end', onEnd).on('notification', onNotification);
    signal.addEventListener('abort', stop);
    try {
      if (signal.aborted) return;
      await Promise.race([runner.query(`LISTEN ${quoteIdentifier(channel)}`), over]);
      this.#backoff.reset();
      this.#isTroubled = false;
      this.ring();
      await over;
    } finally {
      signal.removeEventListener('abort', stop);
      client.off('notification', onNotification).off('end', onEnd);
      // Closes the connection, because a session that still listens must not return to the pool.
      await (runner.releasePostgresConnection?.(new Error('done')) ?? runner.release());
      client.off('error', giveUp);
    }
  }

  private warn(channel: string, error: unknown): void {
    if (this.#isTroubled || this.#stopped.signal.aborted) return;
    this.#isTroubled = true;
    this.#logger.warn(
      `Cannot listen on "${channel}" (${loggedError(error).text}). Until listening succeeds, the library only polls the outbox.`,
    );
  }
}
