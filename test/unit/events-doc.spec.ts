import { readFileSync } from 'node:fs';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

/** Name and payload of each event in the code. */
function inCode(): string[] {
  const source = read('../../lib/events/event-map.ts');
  const start = source.indexOf('interface ScopedWorkerEventMap {');
  const body = source.slice(start, source.indexOf('\n}', start));
  return [...body.matchAll(/^ {2}'([^']+)': (\w+);$/gm)].map(([, name, type]) => `${name} ${type}`);
}

/** Name and payload of each section of the page. */
function onPage(): string[] {
  const [events] = read('../../docs/events.md').split(/^## Verified by$/m);
  const sections = events!.split(/^## /m).slice(1);
  return sections.map((section) => {
    const name = section.slice(0, section.indexOf('\n'));
    return `${name} ${/^\*\*Payload\*\* `(\w+)`$/m.exec(section)?.[1]}`;
  });
}

describe('docs/events.md', () => {
  it('has a section for every event, with its payload, and no other section', () => {
    expect(onPage()).toEqual(inCode());
  });

  it('is compared with names of events', () => {
    expect(inCode()).toContain('tick:finished TickReport');
  });
});
