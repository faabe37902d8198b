import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { builtPrograms, startProgram } from '../support/programs.js';

describe('docs/architecture.md', () => {
  const folder = builtPrograms();

  it('names the files that a plain tick enters, and no others', async () => {
    const page = fileURLToPath(new URL('../../docs/architecture.md', import.meta.url));
    const named = [...readFileSync(page, 'utf8').matchAll(/^\| `([^`]+\.ts)` \|/gm)];
    const { code, lines } = await startProgram(folder, 'plain-tick').ended;

    expect(new Set(named.map(([, file]) => file))).toEqual(new Set(lines));
    expect(code).toBe(0);
  });
});
