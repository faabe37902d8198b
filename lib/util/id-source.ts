import { randomBytes } from 'node:crypto';

/** Ids that are unique in the process and very likely among processes: a random part, then a count. */
export function idSource(prefix: string): () => string {
  const origin = randomBytes(3).toString('hex');
  let count = 0;
  return () => `${prefix}-${origin}-${(count += 1).toString(36)}`;
}
