import type { Readable } from 'node:stream';
import { Latch } from '../util/latch.js';

/**
 * Tracks what still uses the connection of a query runner: calls that send statements, and streams that haven't been read to the
 * end.
 */
export class UnderWay {
  #calls = 0;
  #none = new Latch();
  readonly #streams = new Set<Readable>();

  get isNone(): boolean {
    return this.#calls === 0 && this.openStreams().length === 0;
  }

  /** Counts a call until it has settled. */
  async track<T>(call: () => Promise<T>): Promise<T> {
    if (this.#calls === 0) this.#none = new Latch();
    this.#calls += 1;
    try {
      return await call();
    } finally {
      this.#calls -= 1;
      if (this.#calls === 0) this.#none.open();
    }
  }

  add(stream: Readable): void {
    for (const other of this.#streams) if (!isOpen(other)) this.#streams.delete(other);
    this.#streams.add(stream);
  }

  /** Waits until no call is under way. */
  async settled(): Promise<void> {
    while (this.#calls > 0) await this.#none.opened;
  }

  /**
   * Destroys the open streams, because the next statement would wait until they have been read.
   *
   * @returns whether there were any.
   */
  cutStreams(): boolean {
    const open = this.openStreams();
    for (const stream of open) {
      stream.on('error', () => undefined); // without a listener, an error would end the process
      stream.destroy();
    }
    return open.length > 0;
  }

  private openStreams(): Readable[] {
    return [...this.#streams].filter(isOpen);
  }
}

function isOpen({ destroyed, readableEnded }: Readable): boolean {
  return !destroyed && !readableEnded;
}
