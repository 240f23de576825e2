/**
 * A choice by weight that remembers itself: the same key gets the same choice, whoever asks and whenever, and when one
 * of the choices falls away only the keys that had chosen it choose anew (weighted rendezvous hashing). So a message
 * that was greylisted comes back from the address that it was greylisted from.
 */
import { hash } from 'node:crypto';

export interface Weighted {
  /** Above 0; a choice with twice the weight gets twice the keys. */
  readonly weight: number;
}

/** undefined only when there is nothing to choose from. `nameOf` tells the choices apart, and is part of the draw. */
export function chooseByWeight<T extends Weighted>(
  choices: readonly T[],
  nameOf: (choice: T) => string,
  key: string,
): T | undefined {
  let best: T | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const choice of choices) {
    // The minimum of exponential draws with these rates falls to each choice in proportion to its rate.
    const score = Math.log(uniform(`${nameOf(choice)}\n${key}`)) / choice.weight;
    if (score <= bestScore) continue;
    best = choice;
    bestScore = score;
  }
  return best;
}

/** Between 0 and 1, both excluded. */
function uniform(text: string): number {
  return (hash('sha1', text, 'buffer').readUInt32BE(0) + 0.5) / 2 ** 32;
}
