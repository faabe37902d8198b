/** What scopes need of the module's options. */
export abstract class ScopeSettings {
  abstract readonly disposeTimeoutMs: number;
}
