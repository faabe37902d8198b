/** The minimum number of figures: with fewer, the variation isn't known, and no figure can be left out. */
const LEAST_FIGURES = 4;
/** The number of standard errors above zero beyond which growth isn't a measurement error. */
const SURE_ERRORS = 2;

/**
 * Returns the average of the figures, in bytes, and whether it is certainly above zero. Leaves out the figure farthest from the
 * median: V8 sometimes takes or returns a page during a tick, and the resulting figure outweighs all others.
 */
export function summaryOf(figures: readonly number[]): { mean: number; isSure: boolean } {
  const kept = withoutFarthest(figures);
  const count = kept.length;
  const mean = kept.reduce((sum, figure) => sum + figure, 0) / count;
  if (figures.length < LEAST_FIGURES) return { mean, isSure: false };
  const squares = kept.reduce((sum, figure) => sum + (figure - mean) ** 2, 0);
  const standardError = Math.sqrt(squares / (count - 1) / count);
  return { mean, isSure: mean > SURE_ERRORS * standardError };
}

function withoutFarthest(figures: readonly number[]): readonly number[] {
  if (figures.length < LEAST_FIGURES) return figures;
  const sorted = ascending(figures);
  const middle = medianOf(figures);
  return middle - sorted[0]! > sorted.at(-1)! - middle ? sorted.slice(1) : sorted.slice(0, -1);
}

/** Returns the median; of two middle figures, the greater one. */
export function medianOf(figures: readonly number[]): number {
  return ascending(figures)[Math.floor(figures.length / 2)]!;
}

/** In this many figures, one at each end may be an outlier: V8 takes and returns pages during ticks, which distorts a few figures. */
const FIGURES_PER_ACCIDENT = 7;

/**
 * Returns the least and the greatest figure without the outliers: of seven figures, the second and the sixth. For figures of any
 * distribution, the true median is between these two in seven of eight cases. Otherwise, at least six of seven figures are on one
 * side of the true median.
 */
function rangeOf(figures: readonly number[]): { least: number; greatest: number } {
  const sorted = ascending(figures);
  const accidents = Math.floor(figures.length / FIGURES_PER_ACCIDENT);
  return { least: sorted[accidents]!, greatest: sorted.at(-1 - accidents)! };
}

/**
 * Returns true if the figures differ too much for their median to count. The figures must distinguish ticks that leave
 * `suspectedBytes` from ticks that leave nothing. So, outliers aside, they may differ by at most half of `suspectedBytes`.
 */
export function isScattered(figures: readonly number[], suspectedBytes: number): boolean {
  const { least, greatest } = rangeOf(figures);
  return greatest - least > suspectedBytes / 2;
}

/** Returns true if all figures except outliers are above zero. The median can be a few KB even if the ticks only replace data. */
export function isAboveNothing(figures: readonly number[]): boolean {
  return rangeOf(figures).least > 0;
}

function ascending(figures: readonly number[]): number[] {
  return figures.toSorted((left, right) => left - right);
}
