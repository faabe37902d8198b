/**
 * The number that a part of a query writes. What writes none is given as it is, for the library to refuse it with its own
 * sentence.
 */
export function numberIn(text: string | undefined): number | undefined {
  const number = typeof text === 'string' && text.trim() !== '' ? Number(text) : NaN;
  return Number.isNaN(number) ? (text as unknown as undefined) : number;
}
