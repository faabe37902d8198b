/** A token for messages: the name of a class, the text of a string, the description of a symbol. */
export function tokenText(token: unknown): string {
  if (typeof token === 'function') return token.name || 'a class without a name';
  if (typeof token === 'symbol') return token.description || 'Symbol()';
  return String(token);
}
