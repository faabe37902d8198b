import type { ScopedWorkerEventMap } from './event-map.js';

/** Lists every event: the compiler compares the list with the map in both directions. */
const EVENTS = {
  'tick:started': true,
  'tick:finished': true,
  'tick:skipped': true,
  'tick:retrying': true,
  'tick:overrun': true,
  'scope:opened': true,
  'scope:closed': true,
  'schedule:changed': true,
  'finding:reported': true,
  'background:failed': true,
  'background:ended': true,
  'source:failed': true,
  'message:dead': true,
  'leak:found': true,
  'leak:scope': true,
  'leak:call': true,
  'memory:sampled': true,
  'memory:warning': true,
  'memory:recovered': true,
  'memory:stopping': true,
  'shutdown:started': true,
  'shutdown:finished': true,
  'shutdown:closed': true,
  'failure:stray': true,
} as const satisfies Record<keyof ScopedWorkerEventMap, true>;

export const EVENT_NAMES = Object.keys(EVENTS);
