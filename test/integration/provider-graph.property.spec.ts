import { describe, expect, it } from '@jest/globals';
import { anyGraphIsDisposed } from '../support/provider-graph-run.js';

describe('Any graph of providers', () => {
  it(
    '[B1, B2, B28] is disposed exactly once, dependents first, after the handler, however its ticks end',
    () => expect(anyGraphIsDisposed()).resolves.toBeUndefined(),
    120_000,
  );
});
