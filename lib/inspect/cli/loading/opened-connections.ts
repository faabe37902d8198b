import { Server, Socket } from 'node:net';

type Connect = (this: Socket, ...args: unknown[]) => Socket;
type Listen = (this: Server, ...args: unknown[]) => Server;

/** Watches, from its construction on, which connections are opened and where somebody listens. Hinders nobody. */
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

  /** A sentence for each thing that was opened. */
  notes(): string[] {
    return [
      ...[...this.#connections].map(([address, count]) => {
        const what = count === 1 ? '1 connection' : `${count} connections`;
        const were = count === 1 ? 'was' : 'were';
        return `${what} to ${address} ${were} opened while the application was loaded; the inspection needs none. Open connections in a provider or a factory, which are not called here.`;
      }),
      ...[...this.#servers].map(
        (address) =>
          `A server was started on ${address} while the application was loaded; the inspection needs none. Start it in the file that starts the application.`,
      ),
    ];
  }
}

/** From the arguments of `connect` and `listen`: (options), (port, host), (path), or what Node makes of them for itself. */
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
