import { describe, expect, it } from '@jest/globals';
import {
  livingContext,
  runOutside,
  WorkContext,
  type WorkOwner,
} from '../../lib/scope/work-context.js';
import { collectGarbage } from '../support/collect-garbage.js';

const ROUNDS = 50;

describe('Work that a listener starts', () => {
  it('[J6] keeps nothing of the work before it, even if listeners start it again and again', async () => {
    const contexts: WeakRef<WorkContext>[] = [];
    let reached!: (context: WorkContext | undefined) => void;
    const last = new Promise<WorkContext | undefined>((resolve) => (reached = resolve));
    const begin = async (): Promise<void> => {
      const owner: WorkOwner = { isAwaited: true };
      const context = new WorkContext(owner, livingContext());
      contexts.push(new WeakRef(context));
      const listener = async (): Promise<void> => {
        await Promise.resolve();
        if (contexts.length < ROUNDS) void begin();
        else reached(livingContext());
      };
      context.run(() => void runOutside(listener));
      await Promise.resolve();
      context.end();
    };
    void begin();
    const running = await last;
    await collectGarbage();

    expect(running).toBeInstanceOf(WorkContext);
    expect(contexts.filter((each) => each.deref() !== undefined).length).toBeLessThan(5);
  });
});
