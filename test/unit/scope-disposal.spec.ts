import { beforeEach, describe, expect, it } from '@jest/globals';
import type { NestWrapper } from '../../lib/nest/index.js';
import { Disposal } from '../../lib/scope/disposal.js';
import type { Ownership } from '../../lib/scope/ownership.js';
import { collectGarbage } from '../support/collect-garbage.js';

describe('The disposal of a scope', () => {
  const wrapper = {} as NestWrapper;
  let log: string[];
  let refused: Set<object>;
  let disposal: Disposal;

  beforeEach(() => {
    log = [];
    refused = new Set();
    const ownership = {
      isCandidate: (instance: object) => !refused.has(instance),
      counts: () => true,
      claim: () => true,
      release: () => undefined,
    };
    disposal = new Disposal(ownership as unknown as Ownership, () => log.push('failed late'));
  });

  const disposable = (name: string, error?: unknown) => ({
    onModuleDestroy: (): void => {
      log.push(`disposed ${name}`);
      if (error !== undefined) throw error;
    },
  });
  const hooked = (name: string, failing?: 'commit' | 'rollback') => ({
    onScopeCommit: async (): Promise<void> => {
      log.push(`committed ${name}`);
      if (failing === 'commit') throw new Error(`commit of ${name}`);
    },
    onScopeRollback: async (error: Error): Promise<void> => {
      log.push(`rolled back ${name}: ${error.message}`);
      if (failing === 'rollback') throw new Error(`rollback of ${name}`);
    },
  });
  const add = (...instances: object[]): void =>
    instances.forEach((instance) => disposal.add(instance, wrapper));

  it('[B2, B37] disposes instances and deferred cleanups newest first', async () => {
    add(disposable('1'));
    disposal.defer(() => log.push('cleaned up 2'));
    add(disposable('3'), disposable('4'));
    disposal.defer(() => log.push('cleaned up 5'));
    expect(await disposal.dispose(1_000)).toEqual([]);

    expect(log).toEqual(['cleaned up 5', 'disposed 4', 'disposed 3', 'cleaned up 2', 'disposed 1']);
  });

  it('[B14] returns the errors of disposal in its order, and stops at none', async () => {
    add(disposable('1', 'oldest'), disposable('2'), disposable('3', 'newest'));
    disposal.defer(() => Promise.reject(new Error('cleanup')));

    expect(await disposal.dispose(1_000)).toEqual([new Error('cleanup'), 'newest', 'oldest']);
    expect(log).toEqual(['disposed 3', 'disposed 2', 'disposed 1']);
  });

  it('[B11] disposes nothing twice, and what comes later when it is asked again', async () => {
    add(disposable('1'));
    await Promise.all([disposal.dispose(1_000), disposal.dispose(1_000)]);
    add(disposable('late'));
    await disposal.dispose(1_000);

    expect(log).toEqual(['disposed 1', 'disposed late']);
  });

  it('[I14] counts what was built, and apart from it what had a disposer, without cleanups', async () => {
    const shared = disposable('shared');
    refused.add(shared);
    add(disposable('1'), {}, hooked('3'), shared);
    disposal.defer(() => undefined);
    await disposal.dispose(1_000);

    expect({ built: disposal.built, disposed: disposal.disposed }).toEqual({
      built: 3,
      disposed: 1,
    });
  });

  it('[L4] commits newest first, and rolls back the one that fails with those after it', async () => {
    add(hooked('1'), disposable('2'), hooked('3', 'commit'), hooked('4'));
    const { failure, rollbackErrors } = await disposal.commit();

    expect(log).toEqual([
      'committed 4',
      'committed 3',
      'rolled back 3: commit of 3',
      'rolled back 1: commit of 3',
    ]);
    expect(failure?.error).toEqual(new Error('commit of 3'));
    expect(rollbackErrors).toEqual([]);
  });

  it('[B38] rolls back newest first, all of them, even if one throws', async () => {
    add(hooked('1'), hooked('2', 'rollback'), hooked('3'));
    const errors = await disposal.rollback(new Error('down'));

    expect(log).toEqual(['rolled back 3: down', 'rolled back 2: down', 'rolled back 1: down']);
    expect(errors).toEqual([new Error('rollback of 2')]);
  });

  describe('when an instance has nothing to do at the end', () => {
    it('[B19] does not keep it alive, though the scope is still open', async () => {
      const plain = (() => {
        const instance = { data: 'data' };
        add(instance);
        return new WeakRef(instance);
      })();
      await collectGarbage();

      expect(plain.deref()).toBeUndefined();
      expect(disposal.built).toBe(1);
    });

    it('[B19] keeps one that has a disposer, until it is disposed', async () => {
      const weak = (() => {
        const instance = disposable('1');
        add(instance);
        return new WeakRef(instance);
      })();
      await collectGarbage();
      expect(weak.deref()).toBeDefined();
      await disposal.dispose(1_000);
      await collectGarbage();

      expect(weak.deref()).toBeUndefined();
    });
  });
});
