/**
 * `npm run test:crash`: campaigns to a sink that remembers everything, while processes are killed under them.
 *
 *   --phase NAME      kill, term, stop, postgres, machine (all of these by default), outage; may be given several times
 *   --kills N         of workers, in the phase kill
 *   --recipients N    of each campaign
 *   --seed N          of the random choices
 *   --json            the last line of standard output is one JSON object
 *
 * Progress goes to standard error. Exit code 1, and one line for each violation, when anybody was lost, got a campaign
 * twice, or is reported wrongly.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../server/kernel/embedded-postgres.ts';
import { isErrno } from '../../server/kernel/embedded-postgres-postmaster.ts';
import type { CheckResult } from '../support/checker.ts';
import { seededRandom } from '../support/random.ts';
import { Rig } from '../support/rig.ts';
import { OUTAGES, outagePhase } from './outage.ts';
import {
  killMachine,
  killPostgres,
  killWorkers,
  type PhaseContext,
  type PhaseEnd,
  SLOW_REPLIES,
  stopWorker,
  terminateWorkers,
} from './phases.ts';

const CONNECTIONS = 20;
const KILL_PAUSE_MS: [number, number] = [1_000, 3_000];
const SIGTERM_PAUSE_MS: [number, number] = [500, 2_000];
const SIGTERMS = 10;
const OUTAGE_MS = 60_000;

const { values: flags } = parseArgs({
  options: {
    phase: { type: 'string', multiple: true, default: ['kill', 'term', 'stop', 'postgres', 'machine'] },
    kills: { type: 'string', default: '30' },
    recipients: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    json: { type: 'boolean', default: false },
  },
});
const [kills, recipients, seed] = [Number(flags.kills), Number(flags.recipients), Number(flags.seed)];

const PHASES: Record<string, (context: PhaseContext) => Promise<PhaseEnd>> = {
  kill: (context) => killWorkers(context, kills, KILL_PAUSE_MS),
  term: (context) => terminateWorkers(context, SIGTERMS, SIGTERM_PAUSE_MS),
  stop: stopWorker,
  postgres: (context) => killPostgres(context, () => restartPostgres([postgres.pid])),
  machine: (context) => killMachine(context, async () => restartPostgres(await processesOfPostgres())),
  outage: (context) => outagePhase(context, OUTAGES, OUTAGE_MS),
};

const startedAt = performance.now();
const folder = await mkdtemp(join(tmpdir(), 'camp-crash-'));
// Root's Postgres runs as another user, who must get into it.
await chmod(folder, 0o755);
const dataDir = join(folder, 'postgres');
let postgres: EmbeddedPostgres = await startEmbeddedPostgres({ dataDir, log: say });
say(`seed ${seed}: the same seed makes the same choices`);
const rig = await Rig.start({ databaseUrl: postgres.url, folder, recipients, seed });
const context: PhaseContext = { rig, random: seededRandom(seed), connections: CONNECTIONS, say };
await rig.sink.behave(SLOW_REPLIES);
const results = await runPhases(flags.phase);
const violations = Object.entries(results).flatMap(([name, result]) =>
  result.violations.map((violation) => `${name}: ${violation}`),
);
for (const violation of violations) process.stderr.write(`VIOLATION ${violation}\n`);
await report();
await rig.stop();
await postgres.stop();
if (violations.length === 0) await rm(folder, { recursive: true });
else say(`the sink's log is in ${folder}`);
process.exitCode = violations.length === 0 ? 0 : 1;

type PhaseResult = CheckResult & { seconds: number; uncertainMax: number };

async function runPhases(names: string[]): Promise<Record<string, PhaseResult>> {
  const done: Record<string, PhaseResult> = {};
  for (const name of names) {
    const phase = PHASES[name];
    if (!phase) throw new Error(`no phase ${name}: there are ${Object.keys(PHASES).join(', ')}`);
    say(`— ${name}`);
    const since = performance.now();
    const { uncertainMax, violations: own = [] } = await phase(context);
    const checked = await rig.check(uncertainMax);
    checked.violations.push(...own);
    done[name] = { ...checked, uncertainMax, seconds: secondsSince(since) };
    say(summary(done[name]));
  }
  return done;
}

function summary(result: PhaseResult): string {
  const { audience, accepted, lost, duplicates, uncertain, uncertainDelivered, seconds } = result;
  return `  ${seconds} s: audience ${audience}, accepted ${accepted}, lost ${lost}, duplicates ${duplicates}, uncertain ${uncertain} (${uncertainDelivered} delivered)`;
}

async function report(): Promise<void> {
  const all = Object.values(results);
  const sum = (of: (result: PhaseResult) => number) => all.reduce((total, result) => total + of(result), 0);
  const totals = {
    kills: results.kill ? kills : 0,
    lost: sum((result) => result.lost),
    duplicates: sum((result) => result.duplicates),
    uncertain: sum((result) => result.uncertain),
    uncertain_max: sum((result) => result.uncertainMax),
    uncertain_delivered: sum((result) => result.uncertainDelivered),
    misreported: sum((result) => result.misreported),
    sums_ok: all.every((result) => result.sumsOk),
    zombie_writes: await rig.zombieWrites(),
    recipients: sum((result) => result.audience),
    accepted: sum((result) => result.accepted),
    rejected: sum((result) => result.rejected),
    seconds: secondsSince(startedAt),
    seed,
    violations: violations.length,
  };
  const phases = Object.fromEntries(
    Object.entries(results).map(([name, result]) => [name, snakeCase(result)]),
  );
  if (flags.json) console.log(JSON.stringify({ ...totals, phases }));
  else console.log(totals);
}

function snakeCase(result: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(result).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}

async function restartPostgres(pids: number[]): Promise<void> {
  for (const pid of pids) killIfThere(pid);
  await postgres.stop();
  postgres = await startEmbeddedPostgres({ dataDir });
}

async function processesOfPostgres(): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=']);
  const children = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === postgres.pid)
    .map(([pid]) => pid ?? 0);
  return [postgres.pid, ...children];
}

/** A backend may have ended a moment ago. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

function secondsSince(since: number): number {
  return Math.round((performance.now() - since) / 100) / 10;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
