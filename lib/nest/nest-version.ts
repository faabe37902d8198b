import { createRequire } from 'node:module';
import { join } from 'node:path';

/**
 * Returns the version of the application's `@nestjs/core`, such as `11.1.19`; undefined if it isn't found, as in a bundle. Searches
 * from the main file and the working directory, because `import.meta` is a syntax error in tests that run as CommonJS.
 */
export function nestVersion(): string | undefined {
  for (const place of [process.argv[1], join(process.cwd(), 'main.js')]) {
    try {
      const require = createRequire(place!);
      return (require('@nestjs/core/package.json') as { version?: string }).version;
    } catch {
      // Not installed there.
    }
  }
  return undefined;
}
