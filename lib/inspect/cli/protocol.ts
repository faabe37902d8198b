import type { ScopeInspection } from '../inspection.interface.js';

/** The request to the loader. */
export interface PreviewRequest {
  /** The file of the root module, as an absolute path. */
  readonly file: string;
  /** The path as the user typed it, for error texts. */
  readonly shownFile: string;
  readonly exportName: string | undefined;
  readonly timeoutMs: number;
}

/** A stage of loading. */
export type Stage = 'file' | 'module' | 'graph';

/** The clause for each stage in error texts. */
export const STAGES: Readonly<Record<Stage, string>> = {
  file: 'while the file was loading',
  module: 'while its root module was being created',
  graph: 'while Nest was resolving its modules',
};

/** The inspection of an application. */
export interface Inspected {
  /** The name of the root module. */
  readonly application: string;
  /** The path of the file, as the user typed it. */
  readonly file: string;
  readonly inspection: ScopeInspection;
}

/** A message from the loader. The application may send its own messages, but none of these kinds. */
export type PreviewMessage =
  | { readonly kind: 'stage'; readonly stage: Stage }
  | { readonly kind: 'inspected'; readonly inspected: Inspected }
  | { readonly kind: 'refused'; readonly reason: string };

/** Thrown if the application can't be inspected. The message is written for the user. */
export class CannotInspect extends Error {}
