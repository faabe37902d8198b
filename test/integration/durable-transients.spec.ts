import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  forwardRef,
  Inject,
  Injectable,
  Scope,
  type Provider,
  type ScopeOptions,
} from '@nestjs/common';
import { ContextIdFactory, type ContextId, type HostComponentInfo } from '@nestjs/core';
import { ScopedTimeout, ScopedWorker, ScopedWorkerEvents, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { RequestScoped, Transient, worker } from '../support/probes.js';

/** Its owner closes it, once. */
class Closeable {
  closed = 0;

  isOpen(): boolean {
    return !(this.closed > 0);
  }

  onModuleDestroy(): void {
    this.closed += 1;
  }
}

@Transient()
class Wire extends Closeable {}

@Transient()
class Socket extends Closeable {
  constructor(readonly wire: Wire) {
    super();
  }
}

const Durable = (): ClassDecorator => Injectable({ scope: Scope.REQUEST, durable: true });

/** Provides `Tenant`, whose `client` is a transient with other transients inside. */
const clients: [how: string, providers: () => Provider[]][] = [
  [
    'in constructors',
    () => {
      @Transient()
      class Client {
        constructor(readonly socket: Socket) {}
      }
      @Durable()
      class Tenant {
        constructor(readonly client: Client) {}
      }
      return [Client, { provide: 'TENANT', useExisting: Tenant }, Tenant];
    },
  ],
  [
    'in a property',
    () => {
      @Transient()
      class Client {
        @Inject(Socket) readonly socket!: Socket;
      }
      @Durable()
      class Tenant {
        @Inject(Client) readonly client!: Client;
      }
      return [Client, { provide: 'TENANT', useExisting: Tenant }, Tenant];
    },
  ],
  [
    'in a constructor and a property',
    () => {
      @Transient()
      class Client {
        @Inject(Socket) readonly socket!: Socket;
        constructor(readonly other: Socket) {}
      }
      @Durable()
      class Tenant {
        constructor(readonly client: Client) {}
      }
      return [Client, { provide: 'TENANT', useExisting: Tenant }, Tenant];
    },
  ],
  [
    'behind an alias',
    () => {
      @Transient()
      class Client extends Closeable {
        @Inject(Socket) readonly socket!: Socket;
      }
      @Durable()
      class Tenant {
        constructor(@Inject('CLIENT') readonly client: Client) {}
      }
      const alias = { provide: 'CLIENT', useExisting: Client };
      return [Client, alias, { provide: 'TENANT', useExisting: Tenant }, Tenant];
    },
  ],
  [
    'through a transient factory',
    () => {
      @Transient()
      class Client extends Closeable {
        @Inject(Socket) readonly socket!: Socket;
      }
      @Durable()
      class Tenant {
        readonly client: Client;
        constructor(@Inject('MADE') made: { client: Client }) {
          this.client = made.client;
        }
      }
      const made = {
        provide: 'MADE',
        scope: Scope.TRANSIENT,
        inject: [Client],
        useFactory: (client: Client) => ({ client }),
      };
      return [Client, made, { provide: 'TENANT', useExisting: Tenant }, Tenant];
    },
  ],
];

describe('A transient inside a durable provider', () => {
  let tree: ContextId;

  beforeEach(() => {
    tree = ContextIdFactory.create();
    ContextIdFactory.apply({
      attach: (contextId) => (info: HostComponentInfo) => (info.isTreeDurable ? tree : contextId),
    });
  });

  afterEach(async () => {
    // Nest has no way to take a strategy off again but this one.
    (ContextIdFactory as unknown as { strategy?: unknown }).strategy = undefined;
    await closeApps();
  });

  interface Held {
    readonly client: { readonly socket: Socket; readonly other?: Socket };
  }

  /** Behind an alias, Nest 11.0 doesn't call the constructor of the socket, so there is no wire. */
  function areOpen({ socket, other }: Held['client']): boolean {
    const wire = socket.wire as Wire | undefined;
    return [socket, other, wire].every((each) => each?.isOpen() ?? true);
  }

  it.each(clients)('[B1] outlives the scope when it is injected %s', async (_, providers) => {
    const sockets = new Set<Socket>();
    @ScopedWorker()
    class Reader {
      constructor(@Inject('TENANT') readonly tenant: Held) {}

      @ScopedTimeout(10_000_000)
      read(): boolean {
        sockets.add(this.tenant.client.socket);
        return areOpen(this.tenant.client);
      }
    }
    const { app, registry } = await startApp({ providers: [Reader, Socket, Wire, ...providers()] });
    const values: unknown[] = [];
    app.get(ScopedWorkerEvents).on('tick:finished', ({ value }) => values.push(value));
    for (let tick = 0; tick < 3; tick += 1) await registry.run('Reader.read');

    expect(values).toEqual([true, true, true]);
    expect(sockets.size).toBe(1);
  });

  it.each(clients)(
    '[B1] outlives the scope, and takes calls, under strict leak detection when it is injected %s',
    async (_, providers) => {
      @ScopedWorker()
      class Reader {
        constructor(@Inject('TENANT') readonly tenant: Held) {}

        @ScopedTimeout(10_000_000)
        read(): boolean {
          return areOpen(this.tenant.client);
        }
      }
      const { registry } = await startApp({
        providers: [Reader, Socket, Wire, ...providers()],
        options: { leakDetection: { strict: true } },
      });
      for (let tick = 0; tick < 3; tick += 1) {
        const { outcome, error, value } = await registry.run('Reader.read');
        expect({ outcome, error, value }).toEqual({
          outcome: 'succeeded',
          error: undefined,
          value: true,
        });
      }
    },
  );

  it('[B1] is disposed with the scope where a request-scoped provider holds it', async () => {
    const sockets: Socket[] = [];
    @Transient()
    class Client {
      constructor(readonly socket: Socket) {}
    }
    @Durable()
    class Tenant {
      readonly name = 'acme';
    }
    @RequestScoped()
    class Session {
      constructor(
        readonly client: Client,
        readonly tenant: Tenant,
      ) {}
    }
    @ScopedWorker()
    class Reader {
      constructor(readonly session: Session) {}

      @ScopedTimeout(10_000_000)
      read(): boolean {
        sockets.push(this.session.client.socket);
        return this.session.client.socket.isOpen();
      }
    }
    const { registry } = await startApp({
      providers: [Reader, Session, Tenant, Client, Socket, Wire],
    });
    for (let tick = 0; tick < 2; tick += 1)
      expect((await registry.run('Reader.read')).value).toBe(true);

    expect(sockets.map(({ closed, wire }) => [closed, wire.closed])).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(sockets[0]).not.toBe(sockets[1]);
  });

  it('[B1] outlives the scope where the worker has a transient of the same class', async () => {
    const own: Socket[] = [];
    @Transient()
    class Client {
      constructor(readonly socket: Socket) {}
    }
    @Durable()
    class Tenant {
      constructor(readonly client: Client) {}
    }
    @ScopedWorker()
    class Reader {
      constructor(
        readonly client: Client,
        readonly tenant: Tenant,
      ) {}

      @ScopedTimeout(10_000_000)
      read(): boolean[] {
        own.push(this.client.socket);
        return [this.client.socket.isOpen(), this.tenant.client.socket.isOpen()];
      }
    }
    const { registry } = await startApp({ providers: [Reader, Tenant, Client, Socket, Wire] });
    for (let tick = 0; tick < 3; tick += 1)
      expect((await registry.run('Reader.read')).value).toEqual([true, true]);

    // In Nest 11.0, both share a socket in the tick that builds the durable provider.
    expect(own.slice(1).map(({ closed }) => closed)).toEqual([1, 1]);
  });

  it.each(['constructor', 'property'])(
    '[B1] outlives the scope where a plan has built one of the same class before: injected in a %s',
    async (place) => {
      @Transient()
      class InConstructor {
        constructor(readonly socket: Socket) {}
      }
      @Transient()
      class InProperty {
        @Inject(Socket) readonly socket!: Socket;
      }
      const Client = place === 'constructor' ? InConstructor : InProperty;
      @Durable()
      class Tenant {
        constructor(@Inject(Client) readonly client: { readonly socket: Socket }) {}
      }
      @ScopedWorker()
      class Reader {
        constructor(@Inject(Client) readonly client: { readonly socket: Socket }) {}

        @ScopedTimeout(10_000_000)
        async read({ payload, scope }: Tick): Promise<boolean | undefined> {
          if (payload === undefined) return undefined;
          const { client } = await scope.resolve(Tenant);
          return client.socket.isOpen() && client.socket.wire.isOpen();
        }
      }
      const { registry } = await startApp({ providers: [Reader, Tenant, Client, Socket, Wire] });
      const values: unknown[] = [];
      for (const payload of [undefined, undefined, undefined, 1, 1, 1])
        values.push((await registry.run('Reader.read', { payload })).value);

      expect(values).toEqual([undefined, undefined, undefined, true, true, true]);
    },
  );

  describe('with a circular dependency', () => {
    const kinds: Record<string, ScopeOptions> = {
      singleton: {},
      transient: { scope: Scope.TRANSIENT },
      durable: { scope: Scope.REQUEST, durable: true },
    };
    const names = Object.keys(kinds);

    it.each(names)(
      '[B1] outlives the scope inside a transient in a circular dependency with a %s',
      async (kind) => {
        @Injectable(kinds[kind]!)
        class Partner {
          @Inject(forwardRef(() => Client)) readonly client!: object;
        }
        @Transient()
        class Client {
          @Inject(forwardRef(() => Partner)) readonly partner!: object;
          constructor(readonly socket: Socket) {}
        }
        @Durable()
        class Tenant {
          constructor(readonly client: Client) {}
        }
        @ScopedWorker()
        class Reader {
          constructor(readonly tenant: Tenant) {}

          @ScopedTimeout(10_000_000)
          read(): boolean {
            return this.tenant.client.socket.isOpen();
          }
        }
        const { registry } = await startApp({
          providers: [Reader, Tenant, Client, Partner, Socket, Wire],
        });
        const values: unknown[] = [];
        for (let tick = 0; tick < 3; tick += 1)
          values.push((await registry.run('Reader.read')).value);

        expect(values).toEqual([true, true, true]);
      },
    );

    const failures = names.flatMap((left) =>
      names.flatMap((right) =>
        ['left', 'right', 'database'].map((failing) => ({ left, right, failing })),
      ),
    );
    it.each(failures)(
      '[B26, B33] lets the next tick build the durable provider after $failing failed: $left with $right',
      async ({ left, right, failing }) => {
        let isDown = true;
        const connect = (part: string): void => {
          if (isDown && part === failing) throw new Error('unreachable');
        };
        @Injectable(kinds[left]!)
        class Left {
          @Inject(forwardRef(() => Right)) readonly partner!: object;
          constructor(@Inject('DATABASE') readonly database: object) {
            connect('left');
          }
        }
        @Injectable(kinds[right]!)
        class Right {
          @Inject(forwardRef(() => Left)) readonly partner!: object;
          constructor(@Inject('DATABASE') readonly database: object) {
            connect('right');
          }
        }
        const database = {
          provide: 'DATABASE',
          scope: Scope.REQUEST,
          durable: true,
          useFactory: async () => {
            await turn();
            connect('database');
            return {};
          },
        };
        @Durable()
        class Tenant {
          constructor(readonly part: Left) {}
        }
        const read = (_tick: Tick, { part }: Tenant): boolean[] => {
          const partner = part.partner as Right;
          return [part, part.database, partner.database, partner.partner].map(Boolean);
        };
        const { registry } = await startApp({
          providers: [Tenant, Left, Right, database, worker([Tenant], read)],
        });
        for (let tick = 0; tick < 3; tick += 1) {
          const { error } = await registry.run('Worker.run');
          expect(error).toEqual(new Error('unreachable'));
        }
        isDown = false;
        const { value } = await registry.run('Worker.run');
        expect(value).toEqual([true, true, true, true]);
      },
    );
  });

  describe('whose build fails', () => {
    const built: Closeable[] = [];

    @Transient()
    class Client extends Closeable {
      constructor(readonly socket: Socket) {
        super();
        built.push(this, socket, socket.wire);
      }
    }

    beforeEach(() => void (built.length = 0));

    it.each(['constructor', 'dependency'])(
      '[B1] is disposed with the scope: because of its %s',
      async (cause) => {
        @Durable()
        class Tenant {
          constructor(
            readonly client: Client,
            @Inject('DATABASE') readonly database: object,
          ) {
            if (cause === 'constructor') throw new Error('unreachable');
          }
        }
        const database = {
          provide: 'DATABASE',
          scope: Scope.REQUEST,
          durable: true,
          useFactory: async () => {
            await turn();
            if (cause === 'dependency') throw new Error('unreachable');
            return {};
          },
        };
        @ScopedWorker()
        class Reader {
          constructor(readonly tenant: Tenant) {}

          @ScopedTimeout(10_000_000)
          read(): void {}
        }
        const { registry } = await startApp({
          providers: [Reader, Tenant, database, Client, Socket, Wire],
        });
        for (let tick = 0; tick < 3; tick += 1)
          expect((await registry.run('Reader.read')).error).toMatchObject({
            message: 'unreachable',
          });

        expect(built.map(({ closed }) => closed)).toEqual(Array(9).fill(1));
      },
    );

    it('[B1] outlives a scope that ends while the durable provider is still being built', async () => {
      const connected = gate();
      const asked = gate();
      @Durable()
      class Tenant {
        constructor(
          readonly client: Client,
          @Inject('DATABASE') readonly database: object,
        ) {}
      }
      const database = {
        provide: 'DATABASE',
        scope: Scope.REQUEST,
        durable: true,
        useFactory: async () => {
          asked.open();
          await connected.opened;
          return {};
        },
      };
      const failing = {
        provide: 'FAILING',
        scope: Scope.REQUEST,
        useFactory: async () => {
          await asked.opened;
          throw new Error('no license');
        },
      };
      @ScopedWorker()
      class Reader {
        constructor(
          readonly tenant: Tenant,
          @Inject('FAILING') readonly failing: object,
        ) {}

        @ScopedTimeout(10_000_000)
        read(): void {}
      }
      @ScopedWorker()
      class Later {
        constructor(readonly tenant: Tenant) {}

        @ScopedTimeout(10_000_000)
        read(): boolean[] {
          const { client } = this.tenant;
          return [client, client.socket, client.socket.wire].map((each) => each.isOpen());
        }
      }
      const { registry } = await startApp({
        providers: [Reader, Later, Tenant, database, failing, Client, Socket, Wire],
      });
      expect((await registry.run('Reader.read')).error).toMatchObject({ message: 'no license' });
      const later = registry.run('Later.read');
      connected.open();

      expect((await later).value).toEqual([true, true, true]);
    });
  });
});
