export function comparePlan(
  seed: number,
  nest: object,
  library: object,
  plansOf: (app: { get(token: unknown): never }) => unknown,
): Promise<{ planned: number; reasons: string[]; differences: string[] }>;
