/**
 * Every crash point and every cut, so many times each, and what was seen: with two rigs, because much of a round is waiting.
 * The same seed strikes the same people; how it falls in time is the machine's.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom } from '../support/random.ts';
import { CityRig } from './city-rig.ts';
import { cutRound } from './cut-round.ts';
import { CUTS } from './cuts.ts';
import { killRound } from './kill-round.ts';
import { POINTS } from './points.ts';
import type { Prediction, Round } from './verdicts.ts';

const RIGS = 2;

export interface CityPhaseOptions {
  /** For the copies of the program and the books of the cities. */
  folder: string;
  /** Of each point and cut. */
  rounds: number;
  seed: number;
  say: (line: string) => void;
}

/** What the rounds of one point or cut came to. */
export interface PointResult {
  point: string;
  rounds: number;
  predicted: string;
  /** How many messages met each end. */
  seen: Record<string, number>;
  violations: string[];
}

interface Place {
  name: string;
  predicts: Prediction;
  play(rig: CityRig, random: () => number): Promise<Round>;
}

const PLACES: readonly Place[] = [
  ...POINTS.map((point) => ({
    ...point,
    play: (rig: CityRig, random: () => number) => killRound(rig, point, random),
  })),
  ...CUTS.map((cut) => ({ ...cut, play: (rig: CityRig) => cutRound(rig, cut) })),
];

/** Places in the order of a message's way. */
export async function cityPhase({ folder, rounds, seed, say }: CityPhaseOptions): Promise<PointResult[]> {
  const table = PLACES.map((place) => ({ place, result: emptyResult(place) }));
  // Whichever rig is free plays the next.
  const ahead = Array.from({ length: rounds }, () => table)
    .flat()
    .entries();
  const playOn = async (dir: string) => {
    await mkdir(dir);
    await using rig = await CityRig.start(dir, seed);
    for (const [number, { place, result }] of ahead) {
      const { seen, violations } = await place.play(rig, seededRandom(seed + number));
      result.rounds += 1;
      for (const end of seen) result.seen[end] = (result.seen[end] ?? 0) + 1;
      result.violations.push(...violations.map((violation) => `round ${number}: ${violation}`));
      const told = violations.length === 0 ? [...new Set(seen)].join('; ') : 'VIOLATED';
      say(`${number + 1} of ${rounds * PLACES.length}: ${place.name}: ${told}`);
    }
  };
  await Promise.all(Array.from({ length: RIGS }, (_, at) => playOn(join(folder, `city-${at}`))));
  return table.map(({ result }) => result);
}

function emptyResult({ name, predicts: { states, delivered } }: Place): PointResult {
  const predicted = `${states.join(' or ')}; delivered: ${delivered}`;
  return { point: name, rounds: 0, predicted, seen: {}, violations: [] };
}
