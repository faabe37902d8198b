import { describe, expect, it } from '@jest/globals';
import { mixin, Module, UseGuards, type CanActivate } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { inspectScopes, ScopedCron, ScopedWorker, ScopedWorkerModule } from '../../lib/index.js';

/** As `AuthGuard('jwt')` of `@nestjs/passport` makes its guards. `mixin()` sets another name in each process. */
function onlyFor(role: string) {
  class MixinRoleGuard implements CanActivate {
    canActivate(): boolean {
      return role !== '';
    }
  }
  return mixin(MixinRoleGuard);
}

describe('inspectScopes()', () => {
  it('names what `mixin()` made in the same way each time', async () => {
    const namesOnce = async (): Promise<string> => {
      @ScopedWorker()
      @UseGuards(onlyFor('admin'))
      class Reports {
        @ScopedCron('@daily')
        send(): void {}
      }
      @Module({ imports: [ScopedWorkerModule.forRoot()], providers: [Reports] })
      class App {}
      const app = await NestFactory.createApplicationContext(App, { preview: true, logger: false });
      return JSON.stringify(inspectScopes(app).workers);
    };
    const first = await namesOnce();

    expect(await namesOnce()).toBe(first);
    expect(first).toContain('MixinRoleGuard');
  });
});
