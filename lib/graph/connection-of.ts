import { isOwnToken, tokenText } from '../nest/index.js';

/** The connection that a scope has to a data source. */
export interface ConnectionOfScope {
  readonly dataSource: string;
  readonly isTransactional: boolean;
}

/** Returns the connection that `nestjs-scoped-worker/typeorm` provides under a token; undefined for other tokens. */
export function connectionOf(token: unknown): ConnectionOfScope | undefined {
  if (!isOwnToken(token)) return undefined;
  const [, kind, dataSource] =
    /^(transaction|connection) of data source (.*)$/.exec(tokenText(token)) ?? [];
  return dataSource === undefined
    ? undefined
    : { dataSource, isTransactional: kind === 'transaction' };
}
