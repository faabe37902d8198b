import { MissingPeerError } from '../errors/errors.js';

type TypeOrmPeer = typeof import('@nestjs/typeorm');

/**
 * Loads `@nestjs/typeorm` on first use, so that a missing package is reported with a clear error.
 *
 * @throws {MissingPeerError} if the package isn't installed.
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
