import { Server, Socket } from 'node:net';

type Connect = (this: Socket, ...args: unknown[]) => Socket;
type Listen = (this: Server, ...args: unknown[]) => Server;

/** Records the connections and servers that are opened after its construction, without preventing them. */
export class OpenedConnections {
  readonly #connections = new Map<string, number>();
  readonly #servers = new Set<string>();

  constructor() {
    const connections = this.#connections;
    const servers = this.#servers;
    const connect = Socket.prototype.connect as Connect;
    Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
      const address = addressOf(args);
      connections.set(address, (connections.get(address) ?? 0) + 1);
      return connect.apply(this, args);
    } as typeof Socket.prototype.connect;
    const listen = Server.prototype.listen as Listen;
    Server.prototype.listen = function (this: Server, ...args: unknown[]) {
      servers.add(addressOf(args, ''));
      return listen.apply(this, args);
    } as typeof Server.prototype.listen;
  }

  /** Returns a note for each address. */
  notes(): string[] {
    return [
      ...[...this.#connections].map(([address, count]) => {
        const what = count === 1 ? '1 connection' : `${count} connections`;
        return `Loading the application opened ${what} to ${address}. The inspection needs none. Open connections in a provider or a factory: the inspector calls neither.`;
      }),
      ...[...this.#servers].map(
        (address) =>
          `Loading the application started a server on ${address}. The inspection needs none. Start the server in the file that starts the application.`,
      ),
    ];
  }
}

/** Reads the arguments of `connect` and `listen`: (options), (port, host), (path), or Node's internal form of them. */
function addressOf([given, host]: readonly unknown[], defaultHost = 'localhost'): string {
  const first: unknown = Array.isArray(given) ? given[0] : given;
  if (typeof first === 'object' && first !== null) {
    const options = first as { path?: unknown; host?: unknown; port?: unknown };
    return typeof options.path === 'string'
      ? options.path
      : hostAndPort(options.host ?? defaultHost, options.port);
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return first;
  return hostAndPort(typeof host === 'string' ? host : defaultHost, first);
}

function hostAndPort(host: unknown, port: unknown): string {
  const shown = String(host);
  if (shown === '') return Number(port ?? 0) === 0 ? 'a free port' : `port ${String(port)}`;
  return shown.includes(':') ? `[${shown}]:${String(port)}` : `${shown}:${String(port)}`;
}
