/** The application cannot be inspected. The message is written for the user. */
export class CannotInspect extends Error {}
