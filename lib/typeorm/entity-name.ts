import type { EntityTarget, ObjectLiteral } from 'typeorm';

/** An entity for messages. */
export function entityName(entity: EntityTarget<ObjectLiteral>): string {
  if (typeof entity === 'string') return entity;
  const { name, options } = entity as { name?: string; options?: { name?: string } };
  return name ?? options?.name ?? 'entity';
}
