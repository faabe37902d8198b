import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FINDINGS } from '../../lib/errors/finding.js';

const path = (relative: string): string =>
  fileURLToPath(new URL(`../../${relative}`, import.meta.url));

describe('docs/findings.md', () => {
  it('is what `npm run findings` writes', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [path('scripts/findings.mjs'), '--check'],
      { encoding: 'utf8' },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('has a section for every finding, and no other number', () => {
    const headings = [...readFileSync(path('docs/findings.md'), 'utf8').matchAll(/^## (SW.*)$/gm)];
    const inCode = Object.entries(FINDINGS).map(([kind, { number }]) => `${number} ${kind}`);
    expect(headings.map(([, heading]) => heading)).toEqual(inCode);
  });
});
