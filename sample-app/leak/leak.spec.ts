import { fileURLToPath } from 'node:url';
import { SampleBuild } from '../../test/support/sample-app.js';
import { HeapChart } from './heap-chart.js';

const collectsGarbage = fileURLToPath(
  new URL('../../test/fixtures/collects-garbage.mjs', import.meta.url),
);
const describeOnce = process.env['NEST'] ? describe.skip : describe;

describeOnce('sample of a leak', () => {
  let build: SampleBuild;

  beforeAll(() => {
    build = new SampleBuild();
  });
  afterEach(() => build.killAll());
  afterAll(() => build.remove());

  it('names the captured class on the naive side, and nothing on the scoped one', async () => {
    const settings = { SECONDS: '80', NODE_OPTIONS: `--import ${collectsGarbage}` };
    const sample = build.start(settings, 'leak/main.js');
    await sample.says(/LEAK FOUND/);
    sample.signal('SIGINT');

    expect(await sample.ended).toBe(0);
    const summary = sample.stdout.slice(sample.stdout.indexOf('What the leak detection found'));
    const [, naive, scoped] = summary.split(/\n\n/);
    expect(naive).toMatch(
      /^naive: \d+ ticks, heap \+.*\n {2}after \d+ s: 1 UnitOfWork of NaiveImport\.run, built for tick-\S+, still reachable \d+ s after/,
    );
    expect(scoped).toMatch(/^scoped: \d+ ticks, heap .*\n {2}nothing\n$/);
    expect(sample.stderr).toBe('');
  });
});

describe('HeapChart', () => {
  it('draws a column for each moment, in eighths of a row', () => {
    const chart = new HeapChart('title', 10);
    for (const heapMb of [0, 8, 64]) chart.add(heapMb);

    expect(chart.lines(64)).toEqual([
      'title',
      '  64 MB |  █',
      '        |  █',
      '        |  █',
      '        |  █',
      '        |  █',
      '        |  █',
      '        |  █',
      '   0 MB | ██',
    ]);
  });

  it('stays within its width: a column is the mean of several moments', () => {
    const chart = new HeapChart('title', 4);
    for (let moment = 0; moment < 100; moment += 1) chart.add(moment % 2 === 0 ? 0 : 16);

    const lines = chart.lines(16);
    expect(Math.max(...lines.map((line) => line.length))).toBe(9 + 4);
    expect(lines.at(-1)).toBe('   0 MB |████');
    expect(lines[1]).toBe('  16 MB |');
  });
});
