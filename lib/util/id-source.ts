import { randomBytes } from 'node:crypto';

/** Returns a source of ids, unique in the process and very probably across processes: a random part, then a count. */
export function idSource(prefix: string): () => string {
  const origin = randomBytes(3).toString('hex');
  let count = 0;
  return () => `${prefix}-${origin}-${(count += 1).toString(36)}`;
}
