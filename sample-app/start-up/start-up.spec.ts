import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { SampleBuild, type SampleSettings } from '../../test/support/sample-app.js';

const describeOnce = process.env['NEST'] ? describe.skip : describe;

describeOnce('sample application, when it cannot start', () => {
  let build: SampleBuild;
  let database: TestDatabase;

  beforeAll(async () => {
    build = new SampleBuild();
    database = await createTestDatabase();
  });
  afterEach(() => build.killAll());
  afterAll(async () => {
    build.remove();
    await database.drop();
  });

  const refusal = async (settings: SampleSettings): Promise<string> => {
    const sample = build.start(settings);
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
      `Cannot start: port ${port} is in use by another program. Stop that program, or set PORT to another port.\n`,
    );
    const [connections] = await database.query<{ count: number }>(
      'SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    expect(connections!.count).toBe(0);
    other.close();
  });

  it('says that DATABASE_URL is not the address of a PostgreSQL', async () => {
    const sentence =
      'Cannot start: DATABASE_URL is not the address of a PostgreSQL, such as postgres://user:password@localhost:5432/name. Correct it, or unset it to use the embedded PostgreSQL.\n';
    expect(await refusal({ DATABASE_URL: 'localhost' })).toBe(sentence);
    expect(await refusal({ DATABASE_URL: 'mysql://localhost/x' })).toBe(sentence);
  });

  it('says that no server answers', async () => {
    expect(await refusal({ DATABASE_URL: 'postgres://u:p@127.0.0.1:1/x' })).toBe(
      'Cannot start: no PostgreSQL answers at 127.0.0.1:1, from DATABASE_URL. Start it, correct DATABASE_URL, or unset it to use the embedded PostgreSQL.\n',
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
