import { stackOf } from '../errors/error-parts.js';
import type { LateCall, LeakedScope, LeakFound } from './event-map.js';

/** Returns the log line for instances that have outlived their scope. */
export function leakFoundText(leak: LeakFound): string {
  const { schedule, className, count, tickId, scopeId, ageMs, place } = leak;
  const what =
    count === 1
      ? `1 instance of ${className} is still reachable after its scope closed`
      : `${count} instances of ${className} are still reachable after their scopes closed`;
  const where = schedule === undefined ? `scopes opened${at(place)}` : `schedule ${schedule}`;
  const from = tickId === undefined ? scopeId : `${tickId}, ${scopeId}`;
  const oldest = count === 1 ? 'from' : 'the oldest, from';
  return `Leak: ${what} (${where}; ${oldest} ${from}, for ${seconds(ageMs)}). Look for what holds ${count === 1 ? 'it' : 'them'}: a module-level array or map, an event listener, a timer's closure, or a field of a singleton.`;
}

/** Returns the log line for a scope that no code can close anymore. */
export function leakedScopeText({ scopeId, place, ageMs }: LeakedScope): string {
  return `Leak: scope ${scopeId}, opened${at(place)} ${seconds(ageMs)} ago, was dropped while it was open. The library disposes its instances when the application closes. Write "await using scope = await scopes.open()", or use scopes.run().`;
}

/** Returns the stack of a late call, and below it the stack of the code that closed the scope. */
export function lateCallStack({ error }: LateCall): string {
  return `${stackOf(error)}\nCaused by: ${stackOf(error.cause)}`;
}

function at(place: string | undefined): string {
  return place === undefined ? ' by ProviderScopeFactory' : ` at ${place}`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
