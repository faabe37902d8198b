import type { Lifetime } from '../../../graph/lifetime-graph.js';
import type { Inspected } from '../application-process.js';
import type { Terminal } from '../terminal.js';
import { countsOf, writeSchedules } from './schedule-lines.js';
import { Sheet } from './sheet.js';
import { counted } from './text.js';
import { writeWorkers } from './worker-lines.js';
import type { InspectedFinding, ScopeInspection } from '../../inspection.js';
import type { FindingSeverity } from '../../../errors/finding.js';

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

const SEVERITIES = ['error', 'warning', 'info'] as const satisfies readonly FindingSeverity[];

/** The words on the page. An `info` finding is a hint, because it may be intentional. */
const WORDS: Readonly<Record<FindingSeverity, string>> = {
  error: 'error',
  warning: 'warning',
  info: 'hint',
};

/** Writes the findings, the most severe first, and then the allowed ones. */
export function writeFindings(
  { findings, allowed }: ScopeInspection,
  sheet: Sheet,
  guide: string | undefined,
): void {
  if (findings.length > 0) {
    sheet.heading(`Findings (${findings.length})`);
    for (const severity of SEVERITIES) {
      for (const finding of findings) {
        if (finding.severity === severity) writeFinding(finding, sheet);
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

function writeFinding(
  { severity, number, kind, subject, message }: InspectedFinding,
  sheet: Sheet,
): void {
  sheet.blank();
  sheet.name(subject, `(${kind})`, { before: `${WORDS[severity]} ${number} `, look: severity });
  sheet.text(message, { indent: 4 });
}

/** Returns `2 errors, 1 warning, 3 hints.`, without zeros. */
export function verdict(findings: readonly InspectedFinding[], sheet: Sheet): string {
  const counts = SEVERITIES.flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return count === 0 ? [] : [sheet.paint(severity, counted(count, WORDS[severity]))];
  });
  return counts.length === 0 ? sheet.paint('fine', 'No findings.') : `${counts.join(', ')}.`;
}
