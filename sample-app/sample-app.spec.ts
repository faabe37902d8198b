import { jest } from '@jest/globals';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTestDatabase, type TestDatabase } from '../test/support/postgres.js';

jest.setTimeout(60_000); // every test starts a process or two

const root = fileURLToPath(new URL('..', import.meta.url));

// The sample application runs on the Nest that it was installed with, whatever the tests run on.
const describeOnce = process.env['NEST'] ? describe.skip : describe;

type Settings = Partial<Record<'PORT' | 'DATABASE_URL' | 'DATA_DIR', string>>;

/** The application as a process of its own, with what it prints. */
class Sample {
  stdout = '';
  stderr = '';
  readonly ended: Promise<number | null>;
  private readonly process;
  private printed = (): void => undefined;

  constructor(settings: Settings, file = 'main.js') {
    const { NODE_OPTIONS: _, ...env } = process.env;
    this.process = spawn(process.execPath, [`dist-sample/${file}`], {
      cwd: root,
      env: { ...env, PORT: '0', DATABASE_URL: '', DATA_DIR: '', ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process.stdout.on('data', (chunk) => {
      this.stdout += String(chunk);
      this.printed();
    });
    this.process.stderr.on('data', (chunk) => (this.stderr += String(chunk)));
    this.ended = once(this.process, 'close').then(([code]) => {
      this.printed();
      return code as number | null;
    });
    running.add(this);
  }

  /** Waits until the output matches. */
  async says(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = this.stdout.match(pattern);
      if (match) return match;
      if (this.process.exitCode !== null) throw new Error(`It ended: ${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => (this.printed = resolve));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }
}

const running = new Set<Sample>();

afterEach(async () => {
  for (const sample of running) {
    sample.signal('SIGKILL');
    await sample.ended;
  }
  running.clear();
});

describeOnce('sample application', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    const tsc = join(root, 'node_modules/.bin/tsc');
    for (const project of ['tsconfig.build.json', 'tsconfig.sample.json']) {
      execFileSync(tsc, ['-p', project], { cwd: root });
    }
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  const connections = async (): Promise<number> => {
    const rows = await database.query<{ count: number }>(
      'SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    return rows[0]!.count;
  };

  it('shows that each tick is new and nothing stays, and answers over HTTP', async () => {
    const sample = new Sample({ DATABASE_URL: database.url });
    const [, port] = await sample.says(/Listening on http:\/\/localhost:(\d+)/);
    await sample.says(/report \d+: \d+ readings/);
    const get = async (path: string): Promise<never> =>
      (await (await fetch(`http://localhost:${port}/${path}`)).json()) as never;

    const readings: Record<string, unknown>[] = await get('readings');
    expect(readings[0]).toMatchObject({
      loadAverage: expect.any(Number),
      freeMemoryMb: expect.any(Number),
      heapUsedMb: expect.any(Number),
      eventLoopDelayMs: expect.any(Number),
      freeDiskMb: expect.any(Number),
    });
    const reports: { readings: number; averageLoad: number }[] = await get('reports');
    expect(reports[0]!.readings).toBeGreaterThan(0);
    expect(reports[0]!.averageLoad).toEqual(expect.any(Number));
    const ticks: { schedules: { name: string }[]; latest: { entityManager: number }[] } =
      await get('ticks');
    expect(ticks.schedules.map(({ name }) => name)).toEqual(['recording', 'report']);
    const managers = ticks.latest.map(({ entityManager }) => entityManager);
    expect(new Set(managers).size).toBe(managers.length);

    sample.signal('SIGINT');
    sample.signal('SIGINT');
    expect(await sample.ended).toBe(0);
    expect(sample.stderr).toBe('');
    const [, opened, closed, idle, total] = await sample.says(
      /scopes (\d+) opened and (\d+) closed, pool (\d+)\/(\d+) \(0 kept\)/,
    );
    expect(closed).toBe(opened);
    expect(idle).toBe(total);
    expect(await connections()).toBe(0);
  });

  it('runs the same workers without HTTP', async () => {
    const sample = new Sample({ DATABASE_URL: database.url }, 'worker.js');
    await sample.says(/recording +tick-/);
    sample.signal('SIGTERM');

    expect(await sample.ended).toBe(0);
    expect(sample.stdout).toContain('(0 kept)');
    expect(sample.stdout).not.toContain('Listening');
  });

  describe('when it cannot start', () => {
    const refusal = async (settings: Settings): Promise<string> => {
      const sample = new Sample(settings);
      expect(await sample.ended).toBe(1);
      return sample.stderr;
    };
    const databaseUrl = (changes: Partial<URL>): string =>
      Object.assign(new URL(database.url), changes).href;

    it('says that PORT is not a number', async () => {
      expect(await refusal({ PORT: 'http' })).toBe(
        'Cannot start: PORT must be a number from 0 to 65535, not "http".\n',
      );
    });

    it('says that the port is in use, and leaves no connection behind', async () => {
      const other = createServer().listen(0);
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo;

      expect(await refusal({ PORT: String(port), DATABASE_URL: database.url })).toBe(
        `Cannot start: port ${port} is in use by another program. Stop that one, or set PORT to another port.\n`,
      );
      expect(await connections()).toBe(0);
      other.close();
    });

    it('says that DATABASE_URL is not the address of a PostgreSQL', async () => {
      const sentence =
        'Cannot start: DATABASE_URL is not the address of a PostgreSQL, such as postgres://user:password@localhost:5432/name. Correct it, or leave it out to use the embedded PostgreSQL.\n';
      expect(await refusal({ DATABASE_URL: 'localhost' })).toBe(sentence);
      expect(await refusal({ DATABASE_URL: 'mysql://localhost/x' })).toBe(sentence);
    });

    it('says that no server answers', async () => {
      expect(await refusal({ DATABASE_URL: 'postgres://u:p@127.0.0.1:1/x' })).toBe(
        'Cannot start: no PostgreSQL answers at 127.0.0.1:1, from DATABASE_URL. Start it, correct DATABASE_URL, or leave it out to use the embedded PostgreSQL.\n',
      );
    });

    it('says that the server refuses the user, without the password', async () => {
      const url = databaseUrl({ username: 'stranger', password: 'secret' });
      expect(await refusal({ DATABASE_URL: url })).toBe(
        `Cannot start: the PostgreSQL at ${new URL(url).host}, from DATABASE_URL, refuses the user "stranger" with this password. Correct them in DATABASE_URL.\n`,
      );
    });

    it('says that there is no such database', async () => {
      const url = databaseUrl({ pathname: '/nowhere' });
      expect(await refusal({ DATABASE_URL: url })).toBe(
        `Cannot start: the PostgreSQL at ${new URL(url).host}, from DATABASE_URL, has no database "nowhere". Create it, or correct DATABASE_URL.\n`,
      );
    });
  });

  describe('when it has a PostgreSQL of its own', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'sample-app-'));
      chmodSync(folder, 0o755); // root's server runs as another user
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    it('says that the data folder cannot be made', async () => {
      const path = join(root, 'package.json', 'data');
      const sample = new Sample({ DATA_DIR: path });
      expect(await sample.ended).toBe(1);
      expect(sample.stderr).toBe(
        `Cannot start: the data folder ${path} cannot be written (ENOTDIR). Make it writable, or set DATA_DIR to another folder.\n`,
      );
    });

    it('says that the data folder is read-only', async () => {
      const path = join(folder, 'data');
      mkdirSync(path, { mode: 0o555 });
      const sample = new Sample({ DATA_DIR: path });
      expect(await sample.ended).toBe(1);
      expect(sample.stderr).toBe(
        `Cannot start: the data folder ${path} cannot be written (EACCES). Make it writable, or set DATA_DIR to another folder.\n`,
      );
    });

    it('refuses a folder that is in use, and starts again after it was killed', async () => {
      const path = join(folder, 'data');
      const first = new Sample({ DATA_DIR: path });
      await first.says(/recording +tick-/);

      const second = new Sample({ DATA_DIR: path });
      expect(await second.ended).toBe(1);
      expect(second.stderr).toMatch(
        /^Cannot start: the data folder .* is in use by process \d+, another run of the sample application\. Stop it, or set DATA_DIR to another folder\.\n$/,
      );

      first.signal('SIGKILL');
      await first.ended;
      const third = new Sample({ DATA_DIR: path });
      await third.says(/recording +tick-/);
      third.signal('SIGINT');
      expect(await third.ended).toBe(0);
      expect(third.stderr).toBe('');
      expect(existsSync(join(path, 'postgres/postmaster.pid'))).toBe(false);
    });
  });
});
