import { Scope } from '@nestjs/common';
import type { NestWrapper } from './nest-types.js';

/**
 * The way from a provider to the nearest one that is request-scoped by itself, both ends included: what keeps Nest from
 * building the first one once. Guards, interceptors, pipes and filters of a controller count as dependencies of it.
 *
 * @returns undefined when Nest has not recorded it.
 */
export function wayToRequestScope(from: NestWrapper): readonly NestWrapper[] | undefined {
  const visited = new Set<NestWrapper>([from]);
  const ways: (readonly [...NestWrapper[], NestWrapper])[] = [[from]];
  for (const way of ways) {
    const last = way[way.length - 1]!;
    if (last.scope === Scope.REQUEST) return way;
    for (const next of dependenciesOf(last)) {
      if (visited.has(next) || next.isDependencyTreeStatic()) continue;
      visited.add(next);
      ways.push([...way, next]);
    }
  }
  return undefined;
}

/** A parameter that was not resolved leaves a hole. */
function dependenciesOf(wrapper: NestWrapper): NestWrapper[] {
  const properties = wrapper.getPropertiesMetadata()?.map((property) => property.wrapper);
  return [
    ...(wrapper.getCtorMetadata() ?? []),
    ...(properties ?? []),
    ...(wrapper.getEnhancersMetadata() ?? []),
  ].filter((dependency) => dependency !== undefined);
}
