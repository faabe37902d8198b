import { ScopedWorkerModule, type LeakDetectionOptions } from '../../lib/index.js';

/** Has every application of the test file look for leaks, unless its options say how. */
export function detectLeaks(leakDetection: LeakDetectionOptions): void {
  const forRoot = ScopedWorkerModule.forRoot.bind(ScopedWorkerModule);
  ScopedWorkerModule.forRoot = (options) => forRoot({ leakDetection, ...options });
}
