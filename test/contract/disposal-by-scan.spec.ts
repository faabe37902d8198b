import { beforeAll, expect, it } from '@jest/globals';
import { ScopedWorkerServices } from '../../lib/scoped-worker-services.js';
import { closeApps, startApp } from '../support/app.js';
import { hideBuilds } from '../support/hide-builds.js';
import { describeDisposalEnd } from './disposal-end.contract.js';
import { describeDisposal } from './disposal.contract.js';

// Where builds cannot be watched, scopes find what was built by scanning Nest's stores.
beforeAll(hideBuilds);

it('notices that Nest has no `instantiateClass` to watch', async () => {
  const { app, scopes } = await startApp({});
  await scopes.run(() => undefined);
  expect(app.get(ScopedWorkerServices).nest.seesBuilds).toBe(false);
  await closeApps();
});

describeDisposal('with builds found by a scan');
describeDisposalEnd('with builds found by a scan');
