import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export type SampleSettings = Partial<
  Record<'PORT' | 'DATABASE_URL' | 'DATA_DIR' | 'SECONDS' | 'NODE_OPTIONS', string>
>;

/** What the sample application answers with over HTTP. */
export interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

/** The sample application as a separate process, with what it prints. */
export class Sample {
  stdout = '';
  stderr = '';
  readonly ended: Promise<number | null>;
  private printed = (): void => undefined;

  constructor(private readonly process: ChildProcess) {
    process.stdout!.on('data', (chunk) => {
      this.stdout += String(chunk);
      this.printed();
    });
    process.stderr!.on('data', (chunk) => {
      this.stderr += String(chunk);
      this.printed();
    });
    this.ended = once(process, 'close').then(([code]) => {
      this.printed();
      return code as number | null;
    });
  }

  /** Waits until the output matches. */
  says(pattern: RegExp): Promise<RegExpMatchArray> {
    return this.matches(() => this.stdout.match(pattern));
  }

  /** Waits until the output matches that often. */
  async saysOften(times: number, pattern: RegExp): Promise<void> {
    const all = new RegExp(pattern, 'g');
    await this.matches(() => {
      const found = this.stdout.match(all);
      return found !== null && found.length >= times ? found : null;
    });
  }

  /** Waits until the error output matches. */
  complains(pattern: RegExp): Promise<RegExpMatchArray> {
    return this.matches(() => this.stderr.match(pattern));
  }

  /** Sends a request, such as `ask('POST', 'orders?fail=1')`, as soon as the application listens. */
  async ask<T = never>(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
  ): Promise<Answer<T>> {
    const [, port] = await this.says(/Listening on http:\/\/localhost:(\d+)/);
    const response = await fetch(`http://localhost:${port}/${path}`, { method });
    const text = await response.text();
    return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as T };
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  private async matches(match: () => RegExpMatchArray | null): Promise<RegExpMatchArray> {
    for (;;) {
      const found = match();
      if (found) return found;
      if (this.process.exitCode !== null) throw new Error(`It ended: ${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => (this.printed = resolve));
    }
  }
}

/**
 * The library and the sample application, built into a separate folder: no other build takes them away under a
 * process that runs.
 */
export class SampleBuild {
  readonly #folder: string;
  readonly #running = new Set<Sample>();

  constructor() {
    const cache = join(root, 'node_modules/.cache');
    mkdirSync(cache, { recursive: true });
    this.#folder = mkdtempSync(join(cache, 'sample-app-'));
    try {
      this.build();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  start(settings: SampleSettings, file = 'main.js'): Sample {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const child = spawn(process.execPath, [join(this.#folder, 'dist-sample', file)], {
      cwd: root,
      env: { ...env, PORT: '0', DATABASE_URL: '', DATA_DIR: '', ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const sample = new Sample(child);
    this.#running.add(sample);
    return sample;
  }

  /** For `afterEach`. */
  async killAll(): Promise<void> {
    for (const sample of this.#running) {
      sample.signal('SIGKILL');
      await sample.ended;
    }
    this.#running.clear();
  }

  /** For `afterAll`. */
  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  private build(): void {
    const folder = this.#folder;
    const manifest = {
      name: 'nestjs-scoped-worker',
      type: 'module',
      exports: { '.': './dist/index.js', './typeorm': './dist/typeorm/index.js' },
    };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    const config = {
      extends: join(root, 'tsconfig.sample.json'),
      compilerOptions: {
        rootDir: join(root, 'sample-app'),
        outDir: join(folder, 'dist-sample'),
        paths: {
          'nestjs-scoped-worker': [join(folder, 'dist/index.d.ts')],
          'nestjs-scoped-worker/typeorm': [join(folder, 'dist/typeorm/index.d.ts')],
        },
      },
      include: [join(root, 'sample-app/**/*.ts')],
      exclude: [join(root, 'sample-app/**/*.spec.ts')],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    tsc('-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist'));
    tsc('-p', folder);
  }
}

function tsc(...args: string[]): void {
  const program = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [program, ...args], { cwd: root, stdio: 'pipe' });
}
