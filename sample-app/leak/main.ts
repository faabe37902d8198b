import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LeakFound } from 'nestjs-scoped-worker';
import { HeapChart } from './heap-chart.js';
import type { SideNotice } from './side.js';

const SECONDS = Number(process.env['SECONDS'] ?? 60);
const WIDTH = Math.min((process.stdout.columns ?? 80) - 10, 100);

/** A leak with the moment at which it was reported. */
interface Named {
  readonly leak: LeakFound;
  readonly afterMs: number;
}

interface Side {
  readonly name: string;
  readonly chart: HeapChart;
  readonly named: Named[];
  readonly process: ChildProcess;
  firstMb: number | undefined;
  ticks: number;
}

/**
 * Runs the same job twice, side by side: once with an object captured on the first tick, once with a new object on every tick.
 * Draws both heaps for a minute, and then prints what the leak detection has found.
 */
const startedAt = performance.now();
const sides = [
  start('naive', 'Naive: one unit of work, captured by a singleton on the first tick'),
  start('scoped', 'Scoped: a new unit of work for each tick'),
];
const isLive = process.stdout.isTTY;
let height = 0;
const drawing = setInterval(draw, isLive ? 250 : 10_000);
let time: NodeJS.Timeout | undefined;
await new Promise<void>((resolve) => {
  time = setTimeout(resolve, SECONDS * 1_000);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
});
clearTimeout(time);
clearInterval(drawing);
draw();
summarize();
await Promise.all(sides.map(({ process: child }) => end(child)));

function start(name: string, title: string): Side {
  const child = fork(fileURLToPath(new URL('side.js', import.meta.url)), [name]);
  const side: Side = {
    name,
    chart: new HeapChart(title, WIDTH),
    named: [],
    process: child,
    firstMb: undefined,
    ticks: 0,
  };
  child.on('message', (notice: SideNotice) => {
    if (notice.kind === 'leak') {
      side.named.push({ leak: notice.leak, afterMs: performance.now() - startedAt });
      return;
    }
    side.chart.add(notice.heapMb);
    side.firstMb ??= notice.heapMb;
    side.ticks = notice.ticks;
  });
  return side;
}

/** Draws the charts, in a terminal over the previous ones. */
function draw(): void {
  const topMb = Math.max(16, ...sides.map(({ chart }) => chart.highest));
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
  const lines = [
    `${seconds} of ${SECONDS} s`,
    ...sides.flatMap(({ chart, ticks, named }) => [
      '',
      ...chart.lines(topMb),
      `        ${ticks} ticks, heap ${(chart.latest ?? 0).toFixed(1)} MB, ${named.length === 0 ? 'nothing found' : 'LEAK FOUND'}`,
    ]),
  ];
  if (isLive && height > 0) process.stdout.write(`\x1b[${height}A\x1b[J`);
  process.stdout.write(`${lines.join('\n')}\n`);
  height = lines.length;
}

function summarize(): void {
  console.log('\nWhat the leak detection found:');
  for (const { name, named, firstMb, chart, ticks } of sides) {
    const growth = (chart.latest ?? 0) - (firstMb ?? 0);
    console.log(`\n${name}: ${ticks} ticks, heap ${signed(growth)} MB`);
    if (named.length === 0) console.log('  nothing');
    for (const { leak, afterMs } of named) {
      const { className, schedule, tickId, count, ageMs } = leak;
      console.log(
        `  after ${(afterMs / 1_000).toFixed(0)} s: ${count} ${className} of ${schedule}, ` +
          `built for ${tickId}, still reachable ${(ageMs / 1_000).toFixed(0)} s after its scope was closed`,
      );
    }
  }
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(1)}`;
}

function end(child: ChildProcess): Promise<void> {
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (child.connected) child.disconnect();
  const hasEnded = child.exitCode !== null || child.signalCode !== null;
  return hasEnded ? Promise.resolve() : ended;
}
