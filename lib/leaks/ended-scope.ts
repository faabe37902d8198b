/** Of which scope an instance was. */
export interface Origin {
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
  readonly scopeId: string;
  readonly place: string | undefined;
}

/** What is kept of an instance: nothing that keeps it alive. */
export interface FollowedInstance {
  readonly ref: WeakRef<object>;
  readonly className: string;
  /** By a factory, which may give what is not its own. */
  readonly isMade?: boolean;
}

/** A closed scope whose instances should die. */
export interface EndedScope {
  readonly origin: Origin;
  /** On the clock of `performance.now()`. */
  readonly endedAt: number;
  readonly instances: readonly FollowedInstance[];
}
