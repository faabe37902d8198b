import { Server, Socket } from 'node:net';
import { thrownText } from './thrown-text.js';

/** Readable names for Node's resource types. Other types appear under Node's names. */
const WORDS: Readonly<Record<string, string>> = {
  Timeout: 'timer',
  Immediate: 'immediate',
  TCPSocketWrap: 'TCP connection',
  TCPServerWrap: 'TCP server',
  TCPConnectWrap: 'TCP connection attempt',
  TLSWrap: 'TLS connection',
  PipeWrap: 'pipe',
  PipeServerWrap: 'pipe server',
  ProcessWrap: 'child process',
  MessagePort: 'message port',
  GetAddrInfoReqWrap: 'DNS lookup',
  FSReqPromise: 'file operation',
  FSReqCallback: 'file operation',
};

/**
 * Records the side effects that loading an application has on this process, but doesn't prevent them. Starts
 * recording on construction. Covers the connections and servers that the application opens, and the errors that no code catches.
 * Such errors could end a running application, but must not end the inspection.
 */
export class SideEffects {
  readonly #connections = new Map<string, number>();
  readonly #servers = new Set<string>();
  readonly #errors = new Set<string>();
  readonly #resources = countedResources();

  constructor() {
    beforeEach(Socket.prototype, 'connect', (args) => {
      const address = addressOf(args);
      this.#connections.set(address, (this.#connections.get(address) ?? 0) + 1);
    });
    beforeEach(Server.prototype, 'listen', (args) => this.#servers.add(addressOf(args, '')));
    const note = (error: unknown): void => {
      // The connection itself is reported, so its error isn't.
      if (!isOfConnection(error)) this.#errors.add(thrownText(error));
    };
    process.on('uncaughtException', note);
    process.on('unhandledRejection', note);
  }

  /** Returns a note for each address and each error. */
  notes(): string[] {
    return [
      ...[...this.#connections].map(([address, count]) => {
        const what = count === 1 ? '1 connection' : `${count} connections`;
        return `Loading the application opened ${what} to ${address}. The inspector needs no connections. Connect in a provider or a factory instead: the inspector runs neither.`;
      }),
      ...[...this.#servers].map(
        (address) =>
          `Loading the application started a server on ${address}. The inspector needs no server. Start the server in the file that starts the application.`,
      ),
      ...[...this.#errors].map(
        (text) =>
          `While the application was loading, an error was thrown that no code caught: ${text}`,
      ),
    ];
  }

  /**
   * Returns one sentence that lists the resources that keep this process alive and didn't exist when this object was constructed.
   * Returns an empty array if no such resource exists.
   */
  stillOpen(): string[] {
    const open: string[] = [];
    for (const [name, count] of countedResources()) {
      const added = count - (this.#resources.get(name) ?? 0);
      if (added > 0) open.push(`${added} ${WORDS[name] ?? name}${added === 1 ? '' : 's'}`);
    }
    return open.length === 0 ? [] : [`Still open: ${open.join(', ')}.`];
  }
}

/** Calls a function with the arguments of each call to a method, before the method runs. */
function beforeEach<Name extends string>(
  target: Record<Name, unknown>,
  name: Name,
  note: (args: readonly unknown[]) => void,
): void {
  const method = target[name] as (...args: unknown[]) => unknown;
  target[name] = function (this: unknown, ...args: unknown[]) {
    note(args);
    return method.apply(this, args);
  };
}

function countedResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo())
    counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function isOfConnection(error: unknown): boolean {
  const { syscall } = (error ?? {}) as { syscall?: unknown };
  return syscall === 'connect' || syscall === 'getaddrinfo';
}

/** Returns the address in the arguments of `connect` or `listen`: (options), (port, host), (path), or Node's internal form. */
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
