/** Returns the number in a part of a query. Anything else is returned unchanged, for the library to refuse. */
export function numberIn(text: string | undefined): number | undefined {
  const number = typeof text === 'string' && text.trim() !== '' ? Number(text) : NaN;
  return Number.isNaN(number) ? (text as unknown as undefined) : number;
}
