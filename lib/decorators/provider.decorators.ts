import { Injectable, Scope } from '@nestjs/common';
import { markWorker, type ScopedWorkerOptions } from './worker-metadata.js';

/**
 * Marks a class as a worker: a request-scoped provider that Nest builds again for each tick of its handlers. A module must
 * provide the class. On a controller, write the decorator above `@Controller()`.
 *
 * @param options defaults for all handlers of the class; the options of a handler take precedence.
 * @publicApi
 */
export function ScopedWorker(options?: ScopedWorkerOptions): ClassDecorator {
  return (target) => {
    Injectable({ scope: Scope.REQUEST })(target);
    markWorker(target, options);
  };
}
