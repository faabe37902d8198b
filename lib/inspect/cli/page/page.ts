import type { Lifetime } from '../../../graph/index.js';
import type { Inspected } from '../application-process.js';
import type { Terminal } from '../terminal.js';
import { verdict, writeFindings } from './finding-lines.js';
import { countsOf, writeSchedules } from './schedule-lines.js';
import { Sheet } from './sheet.js';
import { counted } from './text.js';
import { writeWorkers } from './worker-lines.js';

const LIFETIMES = [
  'singleton',
  'request',
  'bubbled',
  'transient',
  'durable',
] as const satisfies readonly Lifetime[];

/**
 * Returns an inspection as text for people. No line is wider than the terminal.
 *
 * @param guide is the file that explains the findings; undefined if it isn't installed.
 */
export function page(
  { application, file, inspection }: Inspected,
  terminal: Terminal,
  guide: string | undefined,
): string {
  const sheet = new Sheet(terminal);
  const { counts, workers, findings, notes } = inspection;
  sheet.name(application, `of ${file}`, { indent: 0 });
  sheet.text(`${countsOf(inspection)}.`, { indent: 0 });
  const lives = LIFETIMES.filter((lifetime) => counts[lifetime] > 0);
  const all = lives.reduce((sum, lifetime) => sum + counts[lifetime], 0);
  const each = lives.map((lifetime) => `${counts[lifetime]} ${lifetime}`).join(', ');
  sheet.text(
    `${counted(counts.modules, 'module')} with ${all} providers, controllers and enhancers: ${each}.`,
    { indent: 0 },
  );
  writeSchedules(inspection, sheet);
  writeWorkers(workers, sheet);
  writeFindings(inspection, sheet, guide);
  if (notes.length > 0) {
    sheet.heading('Notes');
    sheet.blank();
    for (const note of notes) sheet.text(note, { before: '- ' });
  }
  sheet.blank();
  sheet.line(verdict(findings, sheet));
  return sheet.toString();
}
