/**
 * `npm run test:crash`: campaigns to a sink that remembers everything, while processes are killed under them; and to a city
 * of mailbox providers, with a worker that dies at a named point.
 *
 *   --phase NAME      kill, term, stop, postgres, machine (all of these by default), outage; points: to the city; may be
 *                     given several times
 *   --kills N         of workers, in the phase kill
 *   --recipients N    of each campaign to the sink
 *   --rounds N        of each point, in the phase points
 *   --seed N          of the random choices
 *   --json            the last line of standard output is one JSON object
 *
 * Progress goes to standard error. Exit code 1, and one line for each violation, when anybody was lost, got a campaign
 * twice, or is reported wrongly.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cityPhase, type PointResult } from './city-phase.ts';
import { sinkRun } from './sink-run.ts';

const POINTS = 'points';

const { values: flags } = parseArgs({
  options: {
    phase: { type: 'string', multiple: true, default: ['kill', 'term', 'stop', 'postgres', 'machine'] },
    kills: { type: 'string', default: '30' },
    recipients: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '25' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    json: { type: 'boolean', default: false },
  },
});
const [kills, recipients] = [Number(flags.kills), Number(flags.recipients)];
const [rounds, seed] = [Number(flags.rounds), Number(flags.seed)];

const folder = await mkdtemp(join(tmpdir(), 'camp-crash-'));
// Root's Postgres runs as another user, who must get into it.
await chmod(folder, 0o755);
say(`seed ${seed}: the same seed makes the same choices`);
const common = { folder, seed, say };
const toSink = flags.phase.filter((name) => name !== POINTS);
const sink =
  toSink.length === 0 ? undefined : await sinkRun({ ...common, phases: toSink, kills, recipients });
const points = flags.phase.includes(POINTS) ? await cityPhase({ ...common, rounds }) : [];
const violations = [
  ...(sink?.violations ?? []),
  ...points.flatMap(({ point, violations: own }) => own.map((violation) => `${point}, ${violation}`)),
];
for (const violation of violations) process.stderr.write(`VIOLATION ${violation}\n`);
const totals = { ...sink?.totals, seed, violations: violations.length };
if (flags.json) console.log(JSON.stringify({ ...totals, ...(sink && { phases: sink.phases }), points }));
else console.log(totals, points.length > 0 ? `\n${tableOf(points)}` : '');
if (violations.length === 0) await rm(folder, { recursive: true });
else say(`what was received is in ${folder}`);
process.exitCode = violations.length === 0 ? 0 : 1;

/** As Markdown has it. */
function tableOf(results: readonly PointResult[]): string {
  const lines = results.map(({ point, rounds: played, predicted, seen }) => {
    const ends = Object.entries(seen).map(([end, count]) => `${count} ${end}`);
    return `| ${point} | ${played} | ${predicted} | ${ends.join('; ')} |`;
  });
  return ['| point | rounds | predicted | messages seen |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
