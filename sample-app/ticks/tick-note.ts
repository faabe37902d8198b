/** What the handlers of this application return: it becomes the value of the tick's report. */
export interface TickNote {
  /** Number of the entity manager that the tick worked with. */
  readonly entityManager: number;
  readonly note: string;
}
