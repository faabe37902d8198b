import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mermaid } from '../../lib/inspect/cli/mermaid.js';
import { inspectionOf, nestJob, provider, warning } from '../support/inspection.js';

describe('The Mermaid flowchart', () => {
  it('draws workers, what they depend on, and what findings are about', () => {
    const session = provider('Session', { lifetime: 'request' });
    const tree = provider('ReportWorker', {
      lifetime: 'request',
      dependencies: [
        provider('Invoices', { lifetime: 'bubbled', dependencies: [session, provider('Clock')] }),
        { ...session, isRepeated: true },
      ],
    });
    const inspection = inspectionOf({
      workers: [{ name: 'ReportWorker', module: 'M', handlers: [], tree, disposal: [] }],
      findings: [
        warning('Invoices', 'It is.'),
        { ...warning('ReportWorker.run', 'It is.'), severity: 'info' },
        { ...warning('Elsewhere{x}', 'It is.'), severity: 'error' },
      ],
    });
    expect(mermaid(inspection)).toBe(`flowchart LR
  n1(["ReportWorker<br/>request"]):::request
  n2["Invoices<br/>bubbled"]:::bubbled
  n3["Session<br/>request"]:::request
  n4["Clock<br/>singleton"]:::singleton
  n2 --> n3
  n2 --> n4
  n1 --> n2
  n1 --> n3
  classDef request fill:#cdeefa,stroke:#0a7ea4,color:#000
  classDef bubbled fill:#fdf1c7,stroke:#b58900,color:#000
  classDef singleton fill:#f2f2f2,stroke:#999999,color:#555
  %% info SW202 resource-rebuilt: ReportWorker.run
  style n1 stroke-width:3px
  %% warning SW202 resource-rebuilt: Invoices
  style n2 stroke:#e08000,stroke-width:4px
  %% error SW202 resource-rebuilt: Elsewhere x 
`);
  });

  it('draws the jobs of @nestjs/schedule with what becomes of them', () => {
    const inspection = inspectionOf({
      nestJobs: [nestJob('Rates.load'), nestJob('Mailer.send', { fate: 'skipped' })],
      findings: [{ ...warning('Mailer.send', 'It is.'), severity: 'error' }],
    });
    expect(mermaid(inspection)).toBe(`flowchart LR
  j1[["Rates.load<br/>Nest runs it"]]:::job
  j2[["Mailer.send<br/>Nest skips it"]]:::job
  classDef job fill:#f2f2f2,stroke:#999999,color:#555
  %% error SW202 resource-rebuilt: Mailer.send
  style j2 stroke:#d00000,stroke-width:4px
`);
  });

  it('is a chart without nodes for an application without workers', () => {
    expect(mermaid(inspectionOf())).toBe('flowchart LR\n');
  });

  it('keeps to its grammar, with any text in a name', () => {
    const label = /"(?:[\p{L}\p{N} .,:_()/-]|#\d+;)*<br\/>[\w ]+"/u.source;
    const line = new RegExp(
      `^  (?:n\\d+(?:\\(\\[${label}\\]\\)|\\[${label}\\]):::\\w+|j\\d+\\[\\[${label}\\]\\]:::job|n\\d+ --> n\\d+|classDef .+|style [nj]\\d+ .+|%% [^{}\\n]*)$`,
      'u',
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (name, other) => {
        const tree = provider(name, { lifetime: 'request', dependencies: [provider(other)] });
        const drawn = mermaid(
          inspectionOf({
            workers: [{ name, module: 'M', handlers: [], tree, disposal: [] }],
            nestJobs: [nestJob(other)],
            findings: [warning(name, other), warning(other, name)],
          }),
        );
        const [first, ...lines] = drawn.trimEnd().split('\n');
        expect(first).toBe('flowchart LR');
        for (const drawnLine of lines) expect(drawnLine).toMatch(line);
      }),
    );
  });
});
