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
  /** True while `settled()` destroys streams, including those that open meanwhile. */
  #isCutting = false;
  #hasCut = false;

  /** True if this object has destroyed a stream. */
  get hasCut(): boolean {
    return this.#hasCut;
  }

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
    if (this.#isCutting) this.cut(stream);
    else this.#streams.add(stream);
  }

  /**
   * Waits until no call is under way. Destroys open streams, and those that open meanwhile, because the next statement would wait
   * until they have been read.
   */
  async settled(): Promise<void> {
    this.#isCutting = true;
    for (const stream of this.openStreams()) this.cut(stream);
    while (this.#calls > 0) await this.#none.opened;
    this.#isCutting = false;
  }

  private cut(stream: Readable): void {
    this.#hasCut = true;
    stream.on('error', () => undefined); // without a listener, an error would end the process
    stream.destroy();
  }

  private openStreams(): Readable[] {
    return [...this.#streams].filter(isOpen);
  }
}

function isOpen({ destroyed, readableEnded }: Readable): boolean {
  return !destroyed && !readableEnded;
}
