import type { Allowance } from '../options/allow-options.js';
import { tokenText } from '../nest/index.js';
import { finding, FINDINGS, type Finding, type FindingKind } from '../errors/finding.js';

/** A finding that `allowFindings` names. */
export interface AllowedFinding {
  readonly finding: Finding;
  readonly reason: string;
}

/** Findings by whether `allowFindings` names them, and the entries that match no finding. */
export interface Judged {
  readonly standing: readonly Finding[];
  readonly allowed: readonly AllowedFinding[];
  readonly unused: readonly Finding[];
}

/** Kinds that are found only when a tick runs, so start-up cannot know whether an allowance for them is unused. */
const FOUND_LATE = ['shared-by-factory', 'state-on-worker'] as const satisfies FindingKind[];

export function judge(findings: readonly Finding[], allowFindings: readonly Allowance[]): Judged {
  const allowed: AllowedFinding[] = [];
  const used = new Set<Allowance>();
  const standing = findings.filter((found) => {
    const fitting = allowFindings.filter((candidate) => fits(candidate, found));
    const [allowance] = fitting;
    if (allowance === undefined) return true;
    for (const each of fitting) used.add(each);
    allowed.push({ finding: found, reason: allowance.reason });
    return false;
  });
  const unused = allowFindings.filter(
    (allowance) => !used.has(allowance) && !FOUND_LATE.some((kind) => names(allowance, kind)),
  );
  return { standing, allowed, unused: unused.map(unusedFinding) };
}

export function fits(
  allowance: Allowance,
  { kind, token, subject }: Pick<Finding, 'kind' | 'token' | 'subject'>,
): boolean {
  if (!names(allowance, kind)) return false;
  return (token !== undefined && allowance.token === token) || allowance.token === subject;
}

function names({ finding: named }: Allowance, kind: FindingKind): boolean {
  return named === kind || named === FINDINGS[kind].number;
}

function unusedFinding({ finding: named, token }: Allowance): Finding {
  const subject = tokenText(token);
  const message = `allowFindings names ${named} of ${subject}, but start-up has no such finding. The entry would hide a later one. Remove it, or correct its finding or its token.`;
  return finding({ kind: 'allowance-unused', subject, token, message });
}
