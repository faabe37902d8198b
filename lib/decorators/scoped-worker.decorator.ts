import { Injectable, Scope } from '@nestjs/common';
import { markWorker, type ScopedWorkerOptions } from './worker-metadata.js';

/**
 * Marks a class as a worker: a request-scoped provider that is new on every tick of its handlers. It must be provided in
 * a module. On a controller it stands above `@Controller()`.
 *
 * @param options defaults for all handlers of the class; a handler's own options beat them.
 * @publicApi
 */
export function ScopedWorker(options?: ScopedWorkerOptions): ClassDecorator {
  return (target) => {
    Injectable({ scope: Scope.REQUEST })(target);
    markWorker(target, options);
  };
}
