import { createRequire } from 'node:module';

/** Returns the version of `@nestjs/core`, such as `11.1.19`; undefined in a bundle, which has no manifest. */
export function nestVersion(): string | undefined {
  try {
    const { version } = createRequire(import.meta.url)('@nestjs/core/package.json') as {
      version?: string;
    };
    return version;
  } catch {
    return undefined;
  }
}
