import { Inject, Injectable, Optional, Scope, forwardRef } from '@nestjs/common';
import { ScopedCron, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { Probe, ProbeJournal, PROBES, YEARLY } from '../support/probes.js';

describe('The dependencies of a worker', () => {
  afterEach(closeApps);

  describe('when aliases, properties and optional dependencies feed it', () => {
    @Injectable()
    class Base {
      @Inject('alias') readonly alias!: Probe;
    }

    @ScopedWorker()
    class Fed extends Base {
      @Inject(Probe) readonly own!: Probe;
      @Optional() @Inject('missing') readonly missingProperty: unknown;

      constructor(
        @Inject('alias of alias') readonly deep: Probe,
        @Optional() @Inject('missing') readonly missing?: unknown,
        @Optional() readonly present?: Probe,
        @Inject('value') readonly value?: unknown,
      ) {
        super();
      }

      @ScopedCron(YEARLY)
      tick(): unknown {
        const { alias, own, deep, present } = this;
        return { probes: new Set([alias, own, deep, present]).size, worker: this };
      }
    }

    it('[A23] every way leads to the one instance of the tick', async () => {
      const { registry, app } = await startApp({
        providers: [
          ...PROBES,
          { provide: 'alias', useExisting: Probe },
          { provide: 'alias of alias', useExisting: 'alias' },
          { provide: 'value', useValue: 7 },
          Fed,
        ],
      });
      const { value } = await registry.run('Fed.tick');
      expect(value).toMatchObject({
        probes: 1,
        worker: { missing: undefined, missingProperty: undefined, value: 7 },
      });
      expect(app.get(ProbeJournal).disposed).toHaveLength(1);
    });
  });

  describe('when it has a generic base class', () => {
    abstract class Importer<T> {
      protected abstract readonly source: { rows(): T[] };

      @ScopedCron(YEARLY)
      import(tick: Tick): string {
        return `${tick.schedule}: ${this.source.rows().join()}`;
      }
    }

    @Injectable({ scope: Scope.REQUEST })
    class Numbers {
      rows = (): number[] => [1, 2];
    }

    @Injectable({ scope: Scope.REQUEST })
    class Words {
      rows = (): string[] => ['a', 'b'];
    }

    @ScopedWorker()
    class NumberImporter extends Importer<number> {
      constructor(protected readonly source: Numbers) {
        super();
      }
    }

    @ScopedWorker()
    class WordImporter extends Importer<string> {
      @Inject(Words) protected readonly source!: Words;
    }

    it('[A23] the inherited handler runs with the dependencies of each subclass', async () => {
      const { registry } = await startApp({
        providers: [Numbers, Words, NumberImporter, WordImporter],
      });
      expect((await registry.run('NumberImporter.import')).value).toBe(
        'NumberImporter.import: 1,2',
      );
      expect((await registry.run('WordImporter.import')).value).toBe('WordImporter.import: a,b');
    });
  });

  describe('when it is part of a circle', () => {
    @Injectable({ scope: Scope.REQUEST })
    class Partner {
      constructor(@Inject(forwardRef(() => Circular)) readonly worker: unknown) {}
    }

    @ScopedWorker()
    class Circular {
      constructor(@Inject(forwardRef(() => Partner)) readonly partner: Partner) {}

      @ScopedCron(YEARLY)
      tick(): boolean {
        return this.partner.worker === this;
      }
    }

    it('[A23] both ends see each other', async () => {
      const { registry } = await startApp({ providers: [Partner, Circular] });
      expect(await registry.run('Circular.tick')).toMatchObject({ value: true });
    });
  });

  describe('when a test overrides a provider', () => {
    @Injectable({ scope: Scope.REQUEST })
    class Mailer {
      send = (): string => 'sent';
    }

    @ScopedWorker()
    class Mailing {
      constructor(readonly mailer: Mailer) {}

      @ScopedCron(YEARLY)
      tick(): string {
        return this.mailer.send();
      }
    }

    @Injectable()
    class FakeMailer {
      send = (): string => 'fake class';
    }

    it.each([
      ['a value', 'fake value', { send: () => 'fake value' }],
      ['a class', 'fake class', FakeMailer],
    ])('[A23] a dependency that became %s is used', async (_kind, value, fake) => {
      const { registry } = await startApp({
        providers: [Mailer, Mailing],
        build: (builder) => {
          const override = builder.overrideProvider(Mailer);
          return typeof fake === 'function' ? override.useClass(fake) : override.useValue(fake);
        },
      });
      const first = await registry.run('Mailing.tick');
      expect(first).toMatchObject({ outcome: 'succeeded', value });
      expect(await registry.run('Mailing.tick')).toMatchObject({ value });
    });

    it('[A23] the worker itself can be replaced by its subclass', async () => {
      @ScopedWorker()
      class QuietMailing extends Mailing {
        override tick(): string {
          return 'quiet';
        }
      }
      const { registry } = await startApp({
        providers: [Mailer, Mailing],
        build: (builder) => builder.overrideProvider(Mailing).useClass(QuietMailing),
      });
      const [{ name } = { name: '' }] = registry.list();
      expect(await registry.run(name)).toMatchObject({ value: 'quiet' });
    });

    it('[A23] a worker that became a value is switched off and named, not refused', async () => {
      const { registry, log } = await startApp({
        providers: [Mailer, Mailing],
        build: (builder) => builder.overrideProvider(Mailing).useValue({}),
      });
      expect(registry.get('Mailing.tick')).toMatchObject({ state: 'disabled', nextRun: undefined });
      expect(log.of('warn').join('\n')).toMatch(/Mailing .*ready-made value/);
    });
  });
});
