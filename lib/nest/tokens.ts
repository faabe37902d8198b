/** Returns the text of a token for messages: the name of a class, the string itself, the description of a symbol. */
export function tokenText(token: unknown): string {
  if (typeof token === 'function') return nameOf(token) || 'a class without a name';
  if (typeof token === 'symbol')
    return (token.description || 'Symbol()').replace(SCOPED_REPOSITORY, '$1');
  return ownTokenText(String(token));
}

/**
 * Matches the description of a repository token. The description also names the module, for the error that Nest throws if a class
 * can't inject the token.
 */
const SCOPED_REPOSITORY = /^scoped (Repository of .*), from ScopedTypeOrmModule\.forFeature\(\)$/;

/** Returns true for the token of a provider that only this library uses, and that isn't part of the user's application. */
export function isInternalToken(token: unknown): boolean {
  return isOwnToken(token) && (token as string).startsWith(LOOKUP);
}

/**
 * Returns true for the library's own tokens. The tokens from `nestjs-scoped-worker/typeorm` belong to providers that need a scope.
 */
export function isOwnToken(token: unknown): boolean {
  return typeof token === 'string' && token.startsWith(OWN);
}

const OWN = 'nestjs-scoped-worker:';
const LOOKUP = `${OWN}lookup:`;

/** Returns true for the tokens of scoped repositories and entity managers. */
export function isScopedTypeOrmToken(token: unknown): boolean {
  if (typeof token === 'symbol') return SCOPED_REPOSITORY.test(token.description ?? '');
  return isOwnToken(token) && !isInternalToken(token);
}

/** Returns the entity and the data source of a scoped repository or entity manager; undefined for other tokens. */
export function partsOfScopedToken(
  token: unknown,
): { readonly entity: string | undefined; readonly dataSource: string } | undefined {
  if (!isScopedTypeOrmToken(token)) return undefined;
  const [, manager, entity, dataSource = manager] =
    /^EntityManager of data source (.*)$|^Repository of (.*?) \((.*)\)$/.exec(tokenText(token)) ??
    [];
  return dataSource === undefined ? undefined : { entity, dataSource };
}

/** Returns readable text for a token from `nestjs-scoped-worker/typeorm`, such as `Repository:<data source>:<entity>`. */
function ownTokenText(token: string): string {
  const [, what, name = ''] =
    /^nestjs-scoped-worker:(Connection|Transaction|EntityManager|Repository):(.*)$/.exec(token) ??
    [];
  switch (what) {
    case 'Connection':
      return `connection of data source ${name}`;
    case 'Transaction':
      return `transaction of data source ${name}`;
    case 'EntityManager':
      return `EntityManager of data source ${name}`;
    case 'Repository': {
      const at = name.lastIndexOf(':');
      return `Repository of ${name.slice(at + 1)} (${name.slice(0, at)})`;
    }
    default:
      return token;
  }
}

/** Returns the name that a class has in its source, because Nest's `mixin()` renames the class differently in each process. */
function nameOf(token: Function): string {
  const { name } = token;
  if (!/^[\da-f]{21}$/.test(name)) return name;
  const source = Function.prototype.toString.call(token);
  return /^class ([\w$]+)/.exec(source)?.[1] ?? name;
}

/** Returns the token in an entry of `inject`: the entry itself, or the current result of `forwardRef(() => Token)`. */
export function injectedToken(given: unknown): unknown {
  const { forwardRef } = (given ?? {}) as { forwardRef?: unknown };
  const isReference = typeof given === 'object' && typeof forwardRef === 'function';
  return isReference ? (forwardRef as () => unknown)() : given;
}
