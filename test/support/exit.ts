import { afterEach, jest } from '@jest/globals';
import { gate } from './gate.js';

/** Replaces `process.exit()` until the test ends. @returns a promise that resolves when the library calls it. */
export function replaceExit(): Promise<unknown> {
  const exited = gate<unknown>();
  jest.spyOn(process, 'exit').mockImplementation(((code: unknown) => exited.open(code)) as never);
  return exited.opened;
}

/** Puts back what `replaceExit()` and an application that is stopped have changed, after each test of the file. */
export function restoreExit(): void {
  const { exitCode } = process;
  afterEach(() => {
    process.exitCode = exitCode;
    jest.restoreAllMocks();
  });
}
