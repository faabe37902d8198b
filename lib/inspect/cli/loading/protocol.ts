import type { ScopeInspection } from '../../inspection.js';

/** What the loader is asked for. */
export interface LoadRequest {
  /** The file of the root module, as an absolute path. */
  readonly file: string;
  /** The same as it was given: for messages. */
  readonly shownFile: string;
  readonly exportName: string | undefined;
  readonly timeoutMs: number;
}

/** How far loading got. */
export type Stage = 'file' | 'module' | 'graph';

/** The same in words that end a sentence. */
export const STAGES: Readonly<Record<Stage, string>> = {
  file: 'while the file was loaded',
  module: 'while its root module was made',
  graph: 'while Nest put its modules together',
};

/** What the loader says; the application may send messages of its own, which are none of these. */
export type LoaderMessage =
  | { readonly kind: 'stage'; readonly stage: Stage }
  | {
      readonly kind: 'inspected';
      readonly application: string;
      readonly inspection: ScopeInspection;
    }
  | { readonly kind: 'refused'; readonly reason: string };
