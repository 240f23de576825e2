/** The short form of `npm run test:crash -- --phase points`: each point and each cut once. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cityPhase, type PointResult } from './city-phase.ts';
import { CUTS } from './cuts.ts';
import { POINTS } from './points.ts';

const SEED = Date.now() % 1_000_000;

let folder: string;
let results: Map<string, PointResult>;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'camp-points-'));
  const played = await cityPhase({ folder, rounds: 1, seed: SEED, say: () => {} });
  results = new Map(played.map((result) => [result.point, result]));
});
after(() => rm(folder, { recursive: true }));

for (const { name } of POINTS)
  test(`a message says what happened to it when its worker dies ${name}`, (t) => expectPredicted(t, name));

for (const { name } of CUTS)
  test(`a message says what happened to it when its connection is ${name}`, (t) => expectPredicted(t, name));

function expectPredicted(t: { diagnostic(line: string): void }, name: string): void {
  t.diagnostic(`seed ${SEED}`);
  const result = results.get(name);
  assert.deepEqual(result?.violations, []);
  assert.equal(result.rounds, 1);
}
