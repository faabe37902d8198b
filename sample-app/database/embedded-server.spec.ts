import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SampleBuild } from '../../test/support/sample-app.js';

const describeOnce = process.env['NEST'] ? describe.skip : describe;

describeOnce('sample application with the embedded PostgreSQL', () => {
  let build: SampleBuild;
  let folder: string;

  beforeAll(() => void (build = new SampleBuild()));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sample-app-'));
    chmodSync(folder, 0o755); // root's server runs as another user
  });
  afterEach(async () => {
    await build.killAll();
    rmSync(folder, { recursive: true, force: true });
  });
  afterAll(() => build.remove());

  it('says that the data folder cannot be made', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const path = join(file, 'data');
    const sample = build.start({ DATA_DIR: path });
    expect(await sample.ended).toBe(1);
    expect(sample.stderr).toBe(
      `Cannot start: the data folder ${path} cannot be written (ENOTDIR). Make it writable, or set DATA_DIR to another folder.\n`,
    );
  });

  it('says that the data folder is read-only', async () => {
    const path = join(folder, 'data');
    mkdirSync(path);
    chmodSync(path, 0o555); // not as a mode of mkdir, which the umask narrows
    const sample = build.start({ DATA_DIR: path });
    expect(await sample.ended).toBe(1);
    expect(sample.stderr).toBe(
      `Cannot start: the data folder ${path} cannot be written (EACCES). Make it writable, or set DATA_DIR to another folder.\n`,
    );
  });

  it('refuses a folder that is in use, and starts again after it was killed', async () => {
    const path = join(folder, 'data');
    const first = build.start({ DATA_DIR: path });
    await first.says(/recording +tick-/);

    const second = build.start({ DATA_DIR: path });
    expect(await second.ended).toBe(1);
    expect(second.stderr).toMatch(
      /^Cannot start: the data folder .* is in use by process \d+, another run of the sample application\. Stop it, or set DATA_DIR to another folder\.\n$/,
    );

    first.signal('SIGKILL');
    await first.ended;
    const third = build.start({ DATA_DIR: path });
    await third.says(/recording +tick-/);
    third.signal('SIGINT');
    expect(await third.ended).toBe(0);
    expect(third.stderr).toBe('');
    expect(existsSync(join(path, 'postgres/postmaster.pid'))).toBe(false);
  });
});
