import * as common from '@nestjs/common';
import { ModuleRef, ModulesContainer } from '@nestjs/core';
import { inspectScopes, UnsupportedNestError } from '../../lib/index.js';
import type { NestInjector, NestWrapper, OpenModuleRef } from '../../lib/nest/nest-types.js';
import {
  refuseEarlyLifetimes,
  refuseOldNest,
  refuseUnknownInjector,
} from '../../lib/nest/supported-nest.js';
import { closeApps, startApp } from '../support/app.js';

/** What `@nestjs/common` 10 exports, as far as it matters. The smoke test has an application of Nest 10 itself. */
const { IntrinsicException: _, ...older } = common;

afterEach(closeApps);

describe('The supported versions of Nest', () => {
  it('include the one that runs these tests', () => {
    expect(() => refuseOldNest()).not.toThrow();
    expect(() => refuseOldNest(common)).not.toThrow();
  });

  it('exclude those that destroy modules in the order in which they initialize them', () => {
    expect(() => refuseOldNest(older)).toThrow(UnsupportedNestError);
  });

  it.each(['instantiateClass', 'resolveProperties', 'getContextId', 'loadPerContext'] as const)(
    'exclude those whose injector has no method %s',
    async (method) => {
      const { app } = await startApp({});
      const { injector } = app.get(ModuleRef) as unknown as OpenModuleRef;
      expect(() => refuseUnknownInjector(injector)).not.toThrow();
      const changed = Object.create(injector, { [method]: { value: undefined } }) as NestInjector;
      expect(() => refuseUnknownInjector(changed)).toThrow(method);
    },
  );

  it('[K2] exclude 11.1.20 to 11.1.23, whose wrappers keep a lifetime that they computed too early', async () => {
    const { app } = await startApp({});
    const { injector } = app.get(ModuleRef) as unknown as OpenModuleRef;
    const withContexts = { createResolutionContext: () => undefined };
    const [wrapper] = app.get(ModulesContainer).values().next().value!.providers.values();
    const own = wrapper as unknown as NestWrapper;
    expect(() => refuseEarlyLifetimes(injector, own)).not.toThrow();
    class EarlyWrapper {
      readonly isDependencyTreeStatic = (): boolean => true;
      addCtorMetadata(): void {}
    }
    const early = new EarlyWrapper() as unknown as NestWrapper;
    expect(() => refuseEarlyLifetimes(withContexts, early)).toThrow(
      'nestjs-scoped-worker needs Nest 11 or 12, but this application runs a release from 11.1.20 to 11.1.23, which builds request-scoped providers once for the whole application. Install @nestjs/core and @nestjs/common 11.1.24 or newer.',
    );
    // Earlier releases keep it too, but compute it in time.
    expect(() => refuseEarlyLifetimes({}, early)).not.toThrow();
    const module = { providers: new Map([[ModuleRef, early]]) };
    const container = { getModules: () => new Map([['module', module]]) };
    expect(() => inspectScopes({ container, injector: withContexts } as never)).toThrow(
      UnsupportedNestError,
    );
  });

  it('are checked at start-up', async () => {
    const { app } = await startApp({});
    const { injector } = app.get(ModuleRef) as unknown as OpenModuleRef;
    const prototype = Object.getPrototypeOf(injector) as { loadPerContext: unknown };
    const { loadPerContext } = prototype;
    prototype.loadPerContext = undefined; // the one that Nest itself does not call at start-up
    try {
      await expect(startApp({})).rejects.toMatchObject({
        code: 'UNSUPPORTED_NEST',
        problems: [
          "nestjs-scoped-worker needs Nest 11 or 12, but the injector of this @nestjs/core has no method loadPerContext, without which the library can't see what to dispose. Install a version that docs/compatibility.md lists.",
        ],
      });
    } finally {
      prototype.loadPerContext = loadPerContext;
    }
    await expect(startApp({})).resolves.toBeDefined();
  });
});
