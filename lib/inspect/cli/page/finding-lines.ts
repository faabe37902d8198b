import type { InspectedFinding, ScopeInspection } from '../../inspection.js';
import type { FindingSeverity } from '../../../errors/finding.js';
import type { Sheet } from './sheet.js';
import { counted } from './text.js';

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
