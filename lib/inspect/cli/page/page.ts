import type { FindingSeverity } from '../../../errors/finding.js';
import type { Lifetime } from '../../../graph/lifetime-graph.js';
import type { InspectedFinding, ScopeInspection } from '../../inspection.interface.js';
import type { Inspected } from '../protocol.js';
import type { Terminal } from '../terminal.js';
import { countsOf, writeSchedules } from './schedule-lines.js';
import { Sheet } from './sheet.js';
import { counted } from './text.js';
import { writeWorkers } from './worker-lines.js';

const LIFETIMES: readonly Lifetime[] = ['singleton', 'request', 'bubbled', 'transient', 'durable'];

/**
 * The severities and the labels that the page shows for them, most severe first. A hint (`info`) may describe something
 * intentional.
 */
const SEVERITIES: readonly (readonly [FindingSeverity, string])[] = [
  ['error', 'error'],
  ['warning', 'warning'],
  ['info', 'hint'],
];

/**
 * Returns an inspection as text for people. No line is wider than the terminal.
 *
 * @param guide the file that explains the findings; undefined if it isn't installed.
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

/** Writes the findings, the most severe first, and then the allowed ones. */
function writeFindings(
  { findings, allowed }: ScopeInspection,
  sheet: Sheet,
  guide: string | undefined,
): void {
  if (findings.length > 0) {
    sheet.heading(`Findings (${findings.length})`);
    for (const [severity, word] of SEVERITIES) {
      for (const { number, kind, subject, message } of bySeverity(findings, severity)) {
        sheet.blank();
        sheet.name(subject, `(${kind})`, { before: `${word} ${number} `, look: severity });
        sheet.text(message, { indent: 4 });
      }
    }
    if (guide !== undefined) {
      sheet.blank();
      sheet.text(`Each number is explained in ${guide}.`, { look: 'quiet' });
    }
  }
  if (allowed.length === 0) return;
  sheet.heading(`Allowed findings (${allowed.length})`);
  for (const { finding, reason } of allowed) {
    sheet.blank();
    sheet.name(`${finding.number} ${finding.subject}`, `(${finding.kind})`);
    sheet.text(reason, { indent: 4, before: 'Allowed: ' });
  }
}

/** Returns, for example, `2 errors, 1 warning, 3 hints.`; leaves out zero counts. */
function verdict(findings: readonly InspectedFinding[], sheet: Sheet): string {
  const counts = SEVERITIES.flatMap(([severity, word]) => {
    const { length } = bySeverity(findings, severity);
    return length === 0 ? [] : [sheet.paint(severity, counted(length, word))];
  });
  return counts.length === 0 ? sheet.paint('fine', 'No findings.') : `${counts.join(', ')}.`;
}

function bySeverity(
  findings: readonly InspectedFinding[],
  severity: FindingSeverity,
): InspectedFinding[] {
  return findings.filter((finding) => finding.severity === severity);
}
