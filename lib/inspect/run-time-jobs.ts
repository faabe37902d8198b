import type { GraphProvider, LifetimeGraph } from '../graph/index.js';

/** Returns a note that names the providers that can add jobs to `SchedulerRegistry` of `@nestjs/schedule` at run time. */
export function runTimeJobsNotes({ providers }: LifetimeGraph): string[] {
  const registries = new Set(providers.filter(isSchedulerRegistry).map(({ id }) => id));
  const adders = providers.filter(
    ({ module, dependencies }) =>
      module !== 'ScheduleModule' && dependencies.some(({ to }) => registries.has(to)),
  );
  const names = [...new Set(adders.map(({ name }) => name))];
  if (names.length === 0) return [];
  const [inject, they] = names.length === 1 ? ['injects', 'it adds'] : ['inject', 'they add'];
  return [
    `${names.join(', ')} ${inject} SchedulerRegistry: jobs that ${they} at run time are not shown.`,
  ];
}

/** By name: the application may have another copy of `@nestjs/schedule` than the one that we could import. */
function isSchedulerRegistry({ token }: GraphProvider): boolean {
  return typeof token === 'function' && token.name === 'SchedulerRegistry';
}
