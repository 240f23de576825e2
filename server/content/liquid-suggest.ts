/** Helps with a misspelt name: the nearest known one, if it is near enough to be meant. */

/** `; did you mean "upcase"?`, or the whole list of names. */
export function didYouMean(name: string, known: readonly string[]): string {
  const nearest = known
    .map((candidate) => ({ candidate, distance: editDistance(name.slice(0, 40), candidate) }))
    .reduce((best, next) => (next.distance < best.distance ? next : best));
  if (nearest.distance <= Math.max(1, Math.floor(name.length / 3)))
    return `; did you mean "${nearest.candidate}"?`;
  return `; known are ${known.toSorted().join(', ')}`;
}

/** Levenshtein distance. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, char] of [...from].entries()) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const substituted = (row[j] ?? 0) + (char === to[j] ? 0 : 1);
      next.push(Math.min(substituted, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
