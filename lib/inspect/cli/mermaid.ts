import type { Lifetime } from '../../graph/lifetime-graph.js';
import type {
  InspectedFinding,
  InspectedNestJob,
  InspectedProvider,
  ScopeInspection,
} from '../inspection.interface.js';
import type { FindingSeverity } from '../../errors/finding.js';
import { clean } from './page/text.js';

/** Fill colors by lifetime, light enough for black text. */
const STYLES: Readonly<Record<Lifetime, string>> = {
  request: 'fill:#cdeefa,stroke:#0a7ea4,color:#000',
  bubbled: 'fill:#fdf1c7,stroke:#b58900,color:#000',
  transient: 'fill:#f6d5f2,stroke:#a626a4,color:#000',
  durable: 'fill:#d5dcfb,stroke:#3b4cc0,color:#000',
  singleton: 'fill:#f2f2f2,stroke:#999999,color:#555',
};

/** Frames around the subjects of findings, by severity. */
const FRAMES: Readonly<Record<FindingSeverity, string>> = {
  error: 'stroke:#d00000,stroke-width:4px',
  warning: 'stroke:#e08000,stroke-width:4px',
  info: 'stroke-width:3px',
};

/** The text below the name in the box of a job. */
const FATES: Readonly<Record<InspectedNestJob['fate'], string>> = {
  runs: 'Nest runs it',
  disabled: 'disabled',
  skipped: 'Nest skips it',
  adopted: 'adopted',
  unconstructed: 'Nest runs it on an object that was never constructed',
  'not-run': 'nothing runs it',
  invalid: 'invalid',
};

interface Node {
  readonly id: string;
  readonly provider: InspectedProvider;
}

/**
 * Draws the workers and their dependencies as a Mermaid flowchart. Providers that are shared with the application are leaves,
 * and the subject of a finding has a frame. The jobs of `@nestjs/schedule` are separate boxes. Findings about providers
 * that no worker depends on appear only as comments.
 */
export function mermaid({ workers, nestJobs, findings }: ScopeInspection): string {
  const nodes = new Map<string, Node>();
  const edges = new Set<string>();
  const visit = (provider: InspectedProvider): string => {
    const key = `${provider.module}/${provider.name}`;
    const id = nodes.get(key)?.id ?? `n${nodes.size + 1}`;
    if (!nodes.has(key)) nodes.set(key, { id, provider });
    for (const dependency of provider.dependencies) edges.add(`${id} --> ${visit(dependency)}`);
    return id;
  };
  const roots = new Set(workers.map(({ tree }) => visit(tree)));
  const lines = ['flowchart LR'];
  for (const { id, provider } of nodes.values()) {
    const [open, close] = roots.has(id) ? ['([', '])'] : ['[', ']'];
    const { name, lifetime } = provider;
    lines.push(`${id}${open}"${escaped(name)}<br/>${lifetime}"${close}:::${lifetime}`);
  }
  nestJobs.forEach(({ name, fate }, index) =>
    lines.push(`j${index + 1}[["${escaped(name)}<br/>${FATES[fate]}"]]:::job`),
  );
  lines.push(...edges);
  const used = new Set([...nodes.values()].map(({ provider }) => provider.lifetime));
  for (const lifetime of used) lines.push(`classDef ${lifetime} ${STYLES[lifetime]}`);
  if (nestJobs.length > 0) lines.push(`classDef job ${STYLES.singleton}`);
  // The last frame of a node wins, so the most severe findings come last.
  for (const severity of ['info', 'warning', 'error'])
    for (const finding of findings.filter((each) => each.severity === severity))
      lines.push(...framesOf(finding, [...nodes.values()], nestJobs));
  return `${lines.map((line, index) => (index === 0 ? line : `  ${line}`)).join('\n')}\n`;
}

function framesOf(
  finding: InspectedFinding,
  nodes: readonly Node[],
  nestJobs: readonly InspectedNestJob[],
): string[] {
  const { number, kind, subject, severity } = finding;
  const comment = `%% ${severity} ${number} ${kind}: ${oneLine(subject)}`;
  const framed = nodes.filter(
    ({ provider: { name } }) => name === subject || subject.startsWith(`${name}.`),
  );
  const jobs = nestJobs.flatMap(({ handler }, index) =>
    handler === subject ? [`j${index + 1}`] : [],
  );
  const ids = [...framed.map(({ id }) => id), ...jobs];
  return [comment, ...ids.map((id) => `style ${id} ${FRAMES[severity]}`)];
}

/** Replaces every character that may be syntax with an entity that Mermaid reads within quotes, such as `#34;`. */
function escaped(name: string): string {
  return clean(name).replaceAll(
    /[^\p{L}\p{N} .,:_()/-]/gu,
    (letter) => `#${letter.codePointAt(0)};`,
  );
}

/** Removes braces, because Mermaid reads a comment with braces as a directive. */
function oneLine(text: string): string {
  return clean(text).replaceAll(/[{}]/g, ' ');
}
