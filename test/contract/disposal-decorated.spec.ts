import { expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { types } from 'node:util';
import { closeApps, decorateAll, startApp } from '../support/app.js';
import { DECORATES, plainProxy } from '../support/decorators.js';
import { describeDisposalEnd } from './disposal-end.contract.js';
import { describeDisposal } from './disposal.contract.js';

// Each instance that Nest builds or receives is a proxy, singletons and the library's public services included.
decorateAll(plainProxy);

it('is an application in which Nest decorates instances, save for Nest 11.0', async () => {
  @Injectable()
  class Single {}
  const { app } = await startApp({ providers: [Single] });
  expect(types.isProxy(app.get(Single))).toBe(DECORATES);
  await closeApps();
});

describeDisposal('with decorated instances');
describeDisposalEnd('with decorated instances');
