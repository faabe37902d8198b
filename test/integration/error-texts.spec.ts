import { readFileSync } from 'node:fs';
import { Injectable, Scope } from '@nestjs/common';
import {
  ScopedCron,
  ScopedInterval,
  ScopedWorker,
  type ScopedWorkerError,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { YEARLY } from '../support/probes.js';
import { refusal } from '../support/refusal.js';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

/** The example of a code in docs/errors.md, with ids that differ from run to run made equal. */
function example(code: string): string {
  const [, section = ''] = page.split(`## ${code}\n`);
  return withoutIds(section.split('```text\n')[1]!.split('\n```')[0]!);
}

const withoutIds = (text: string): string => text.replace(/\b(scope|tick)-[\w-]+/g, '$1-id');

describe('The examples of docs/errors.md', () => {
  afterEach(closeApps);

  describe('when start-up is refused', () => {
    it('SCOPE_VALIDATION is the code of the error for a worker that is built once', async () => {
      @ScopedWorker()
      class Reports {
        @ScopedCron(YEARLY)
        nightly(): void {}
      }
      const single = { provide: Reports, useFactory: () => new Reports() };
      const error = await refusal({ providers: [single] });
      expect(withoutIds(error.message)).toBe(example('SCOPE_VALIDATION'));
    });

    it('INVALID_SCHEDULE is the code of the error for a period of 0', async () => {
      @ScopedWorker()
      class Reports {
        @ScopedInterval(0)
        nightly(): void {}
      }
      const error = await refusal({ providers: [Reports] });
      expect(withoutIds(error.message)).toBe(example('INVALID_SCHEDULE'));
    });

    it('DUPLICATE_SCHEDULE is the code of the error for two equal names', async () => {
      @ScopedWorker()
      class Reports {
        @ScopedCron(YEARLY, { name: 'nightly' })
        nightly(): void {}
      }
      @ScopedWorker()
      class Invoices {
        @ScopedCron(YEARLY, { name: 'nightly' })
        nightly(): void {}
      }
      const error = await refusal({ providers: [Reports, Invoices] });
      expect(withoutIds(error.message)).toBe(example('DUPLICATE_SCHEDULE'));
    });

    it('INVALID_OPTIONS is the code of the error for a negative timeout', async () => {
      const error = await refusal({ options: { drainTimeoutMs: -1 } });
      expect(withoutIds(error.message)).toBe(example('INVALID_OPTIONS'));
    });
  });

  describe('when the application runs', () => {
    @Injectable({ scope: Scope.REQUEST })
    class Mailer {}

    @ScopedWorker()
    class Reports {
      @ScopedCron(YEARLY)
      hourly(): unknown {
        return undefined;
      }

      @ScopedCron(YEARLY)
      nightly({ scope }: Tick): unknown {
        return { resolve: () => scope.resolve(Mailer) };
      }
    }

    it('SCOPE_CLOSED is the code of the error for a resolve after the scope closed', async () => {
      const { registry } = await startApp({ providers: [Mailer, Reports] });
      const { value } = await registry.run('Reports.nightly');
      const late = (value as { resolve(): Promise<unknown> }).resolve();
      const error = (await late.catch((thrown: unknown) => thrown)) as ScopedWorkerError;
      expect(withoutIds(error.message)).toBe(example('SCOPE_CLOSED'));
    });

    it('UNKNOWN_SCHEDULE is the code of the error for a misspelt name', async () => {
      const { registry } = await startApp({ providers: [Mailer, Reports] });
      const names = registry.list().map(({ name }) => name);
      expect(names.sort()).toEqual(['Reports.hourly', 'Reports.nightly']);
      expect(() => registry.get('Reports.nigthly')).toThrow(
        /^No schedule is named "Reports\.nigthly"\. Use one of these names: /,
      );
      await expect(registry.run('Reports.nigthly')).rejects.toMatchObject({
        code: 'UNKNOWN_SCHEDULE',
        schedule: 'Reports.nigthly',
      });
      expect(() => registry.get(Reports as never)).toThrow(
        /^No schedule is named class Reports\. Use one of these names: /,
      );
    });
  });
});
