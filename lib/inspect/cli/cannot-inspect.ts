/** Why an application cannot be inspected, in words for the person who asked. */
export class CannotInspect extends Error {}
