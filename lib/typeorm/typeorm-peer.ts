import { MissingPeerError } from '../errors/errors.js';

type TypeOrmPeer = typeof import('@nestjs/typeorm');

/**
 * Loads `@nestjs/typeorm` when it is needed, so that a missing package gives a sentence and not a stack.
 *
 * @throws {MissingPeerError}
 */
export async function loadTypeOrm(): Promise<TypeOrmPeer> {
  try {
    return await import('@nestjs/typeorm');
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    throw new MissingPeerError('nestjs-scoped-worker/typeorm', ['@nestjs/typeorm', 'typeorm'], {
      cause: error,
    });
  }
}
