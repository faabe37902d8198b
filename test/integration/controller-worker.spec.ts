import { Controller, Get, Inject } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { ScopedCron, ScopedWorker, currentTick, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { startHttpApp, type HttpTestApp } from '../support/http-app.js';
import { Probe, ProbeJournal, PROBES, YEARLY } from '../support/probes.js';

describe('A controller as worker', () => {
  @ScopedWorker()
  @Controller('reports')
  class Reports {
    constructor(
      readonly probe: Probe,
      @Inject(REQUEST) readonly request: { url?: string; id?: string },
    ) {}

    @Get()
    show(): unknown {
      return { url: this.request.url, probe: this.probe.id, isTick: currentTick() !== undefined };
    }

    @ScopedCron(YEARLY)
    send(tick: Tick): unknown {
      return { isOwnTick: this.request === tick, probe: this.probe };
    }
  }

  let test: HttpTestApp | undefined;

  afterEach(async () => {
    await test?.http.close();
    test = undefined;
    await closeApps();
  });

  describe('when both requests and ticks come', () => {
    it('[A23] answers requests and runs its handler, each with its own instances', async () => {
      test = await startHttpApp({ providers: PROBES, controllers: [Reports] });
      expect(await test.get('/reports')).toEqual({ url: '/reports', probe: 1, isTick: false });

      const report = await test.registry.run('Reports.send');
      expect(report).toMatchObject({ outcome: 'succeeded', value: { isOwnTick: true } });
      expect(report.value).toMatchObject({ probe: { id: 2, isDisposed: true } });

      expect(await test.get('/reports')).toEqual({ url: '/reports', probe: 3, isTick: false });
    });

    it('[A23] disposes what belongs to ticks, and leaves what belongs to requests alone', async () => {
      test = await startHttpApp({ providers: PROBES, controllers: [Reports] });
      await test.get('/reports');
      await test.registry.run('Reports.send');
      const { created, disposed } = test.app.get(ProbeJournal);
      expect(created.map(({ id }) => id)).toEqual([1, 2]);
      expect(disposed.map(({ id }) => id)).toEqual([2]);
    });
  });

  describe('when @ScopedWorker() is below @Controller()', () => {
    @Controller('reset')
    @ScopedWorker()
    class Reset {
      @ScopedCron(YEARLY)
      tick(): void {}
    }

    it('[A23] it is refused, because the scope is lost, with what to write', async () => {
      await expect(startApp({ controllers: [Reset] })).rejects.toThrow(
        /Reset .*once for the whole application.*@ScopedWorker\(\) above/,
      );
    });
  });

  describe('when there is no HTTP server', () => {
    it('[A23] its handler runs all the same', async () => {
      const { registry } = await startApp({ providers: PROBES, controllers: [Reports] });
      expect(await registry.run('Reports.send')).toMatchObject({ value: { isOwnTick: true } });
    });
  });
});
