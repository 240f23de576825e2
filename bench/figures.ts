/** Arithmetic of measurements. */

/** The value below which the share `q` of all values lies (nearest rank). */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? Number.NaN;
}

export function rounded(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}
