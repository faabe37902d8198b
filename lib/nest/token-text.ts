/** A token for messages: the name of a class, the text of a string, the description of a symbol. */
export function tokenText(token: unknown): string {
  if (typeof token === 'function') return nameOf(token) || 'a class without a name';
  if (typeof token === 'symbol') return token.description || 'Symbol()';
  return String(token);
}

/** `mixin()` of Nest gives a class another name in each process: the one in its source is meant. */
function nameOf(token: Function): string {
  const { name } = token;
  if (!/^[\da-f]{21}$/.test(name)) return name;
  const source = Function.prototype.toString.call(token);
  return /^class ([\w$]+)/.exec(source)?.[1] ?? name;
}
