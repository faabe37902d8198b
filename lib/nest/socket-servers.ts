import type { OpenApplicationConfig, SocketAdapter } from './nest-types.js';

/**
 * The servers of the application's WebSocket gateways. Nest keeps them in the application object, which providers can't reach, so
 * this class keeps each server that the adapter creates.
 */
export class SocketServers {
  readonly #servers = new Set<unknown>();

  constructor(private readonly config: OpenApplicationConfig) {
    const { setIoAdapter } = config;
    config.setIoAdapter = (adapter) => {
      this.watch(adapter);
      setIoAdapter.call(config, adapter);
    };
  }

  /** Closes the servers, and then their adapter, in the same way as `SocketModule#close` from 11.0.0 to 12.5.1. */
  async close(): Promise<void> {
    const adapter = this.config.getIoAdapter();
    if (adapter === undefined || adapter === null) return; // no gateway has needed an adapter
    await Promise.all([...this.#servers].map(async (server) => adapter.close(server)));
    await adapter.dispose?.();
  }

  private watch(adapter: SocketAdapter): void {
    const { create } = adapter;
    adapter.create = (...given) => {
      const server = create.apply(adapter, given);
      this.#servers.add(server);
      return server;
    };
  }
}
