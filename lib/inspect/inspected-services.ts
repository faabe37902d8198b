import type { ApplicationGraph } from '../graph/index.js';
import type { OptionsStore } from '../options/options-store.js';
import type { ScheduleBook } from '../registry/schedule-book.js';
import type { ScopedWorkerRegistry } from '../registry/scoped-worker-registry.js';
import type { FindingBook } from '../validation/finding-book.js';

/** The services of the library that the inspector reads if the application has started. */
export abstract class InspectedServices {
  abstract readonly options: OptionsStore;
  abstract readonly graph: ApplicationGraph;
  abstract readonly findings: FindingBook;
  abstract readonly book: ScheduleBook;
  abstract readonly registry: ScopedWorkerRegistry;
}
