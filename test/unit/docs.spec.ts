import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FINDINGS } from '../../lib/errors/finding.js';

const path = (relative: string): string =>
  fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const read = (relative: string): string => readFileSync(path(relative), 'utf8');

/** Name and payload of each event in the code. */
function eventsInCode(): string[] {
  const source = read('lib/events/event-map.ts');
  const start = source.indexOf('interface ScopedWorkerEventMap {');
  const body = source.slice(start, source.indexOf('\n}', start));
  return [...body.matchAll(/^ {2}'([^']+)': (\w+);$/gm)].map(([, name, type]) => `${name} ${type}`);
}

/** Name and payload of each section of the page. */
function eventsOnPage(): string[] {
  const [events] = read('docs/events.md').split(/^## Verified by$/m);
  const sections = events!.split(/^## /m).slice(1);
  return sections.map((section) => {
    const name = section.slice(0, section.indexOf('\n'));
    return `${name} ${/^\*\*Payload\*\* `(\w+)`$/m.exec(section)?.[1]}`;
  });
}

describe('docs/events.md', () => {
  it('has a section for every event, with its payload, and no other section', () => {
    expect(eventsOnPage()).toEqual(eventsInCode());
  });

  it('is compared with names of events', () => {
    expect(eventsInCode()).toContain('tick:finished TickReport');
  });
});

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
    const headings = [...read('docs/findings.md').matchAll(/^## (SW.*)$/gm)];
    const inCode = Object.entries(FINDINGS).map(([kind, { number }]) => `${number} ${kind}`);
    expect(headings.map(([, heading]) => heading)).toEqual(inCode);
  });
});

describe('docs/architecture.md', () => {
  it('names only files of lib that exist', () => {
    const files = [...read('docs/architecture.md').matchAll(/`([\w/-]+(?:\.interface)?\.ts)`/g)];
    const named = files.map(([, file]) => file!);
    expect(named).toContain('errors/stray-failure.interface.ts');
    expect(named.filter((file) => !existsSync(path(`lib/${file}`)))).toEqual([]);
  });
});

describe('docs/06-testing.md', () => {
  it('may have Jest turn the library into CommonJS, which has neither import.meta nor a top-level await', () => {
    const files = readdirSync(path('lib'), { recursive: true, encoding: 'utf8' });
    const loaded = files.filter((file) => file.endsWith('.ts') && !file.startsWith('inspect/cli/'));
    expect(loaded).toContain('index.ts');
    const ofModules = /\bimport\.meta\b|^(?:(?:export )?const .*= )?await /m;
    expect(loaded.filter((file) => ofModules.test(withoutComments(read(`lib/${file}`))))).toEqual(
      [],
    );
  });
});

describe('a guide', () => {
  const guides = readdirSync(path('docs')).filter((file) => /^\d\d.*\.md$/.test(file));

  it.each(guides)('has at most 1,200 words besides code and tables: %s', (file) => {
    const [text] = read(`docs/${file}`).split(/^## Verified by$/m);
    const prose = text!
      .replaceAll(/^```.*?^```$/gms, '')
      .replaceAll(/^\|.*$/gm, '')
      .replaceAll(/\]\([^)]*\)/g, ']');
    const words = prose.split(/\s+/).filter((word) => /\w/.test(word));
    expect(words.length).toBeLessThanOrEqual(1_200);
  });
});

function withoutComments(source: string): string {
  return source.replace(/\/\*[^]*?\*\/|\/\/.*/g, '');
}
