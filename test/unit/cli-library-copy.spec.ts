import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ownPage } from '../../lib/inspect/cli/library-copy.js';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const PAGE = 'findings.md';

describe('A page of the documentation', () => {
  let application: string;
  beforeEach(() => {
    application = mkdtempSync(join(tmpdir(), 'application-'));
  });
  afterEach(() => rmSync(application, { recursive: true }));

  it('is below the working directory', () => {
    expect(ownPage(PAGE, root)).toBe(`docs/${PAGE}`);
  });

  it('is in node_modules of the application, which may be a link', () => {
    mkdirSync(join(application, 'node_modules'));
    symlinkSync(root, join(application, 'node_modules/nestjs-scoped-worker'));
    expect(ownPage(PAGE, application)).toBe(`node_modules/nestjs-scoped-worker/docs/${PAGE}`);
  });

  it('is where the library is, if the application has none or another one', () => {
    expect(ownPage(PAGE, application)).toBe(join(root, 'docs', PAGE));
    mkdirSync(join(application, 'node_modules/nestjs-scoped-worker/docs'), { recursive: true });
    expect(ownPage(PAGE, application)).toBe(join(root, 'docs', PAGE));
  });

  it('is nowhere if the library comes without it', () => {
    expect(ownPage('no-such-page.md', root)).toBeUndefined();
  });
});
