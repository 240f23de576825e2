/** The phases that send to a sink, one after the other on one Postgres, and what they came to. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
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

export interface SinkRunOptions {
  phases: readonly string[];
  /** Of workers, in the phase kill. */
  kills: number;
  /** Of each campaign. */
  recipients: number;
  seed: number;
  /** For Postgres and the sink's log. */
  folder: string;
  say: (line: string) => void;
}

export interface SinkRunResult {
  totals: Record<string, unknown>;
  phases: Record<string, unknown>;
  violations: string[];
}

type PhaseResult = CheckResult & { seconds: number; uncertainMax: number };

interface Parts extends PhaseContext {
  postgres: EmbeddedPostgres;
  dataDir: string;
}

const PHASES: Record<string, (parts: Parts, kills: number) => Promise<PhaseEnd>> = {
  kill: (parts, kills) => killWorkers(parts, kills, KILL_PAUSE_MS),
  term: (parts) => terminateWorkers(parts, SIGTERMS, SIGTERM_PAUSE_MS),
  stop: stopWorker,
  postgres: (parts) => killPostgres(parts, () => restartPostgres(parts, [parts.postgres.pid])),
  machine: (parts) =>
    killMachine(parts, async () => restartPostgres(parts, await processesOf(parts.postgres))),
  outage: (parts) => outagePhase(parts, OUTAGES, OUTAGE_MS),
};

export async function sinkRun(options: SinkRunOptions): Promise<SinkRunResult> {
  const { phases, kills, recipients, seed, folder, say } = options;
  const startedAt = performance.now();
  const dataDir = join(folder, 'postgres');
  const postgres = await startEmbeddedPostgres({ dataDir, log: say });
  const rig = await Rig.start({ databaseUrl: postgres.url, folder, recipients, seed });
  await rig.sink.behave(SLOW_REPLIES);
  const parts: Parts = { rig, random: seededRandom(seed), connections: CONNECTIONS, say, postgres, dataDir };
  const results = await runPhases(parts, phases, kills);
  const totals = {
    kills: results.kill ? kills : 0,
    ...sums(Object.values(results)),
    zombie_writes: await rig.zombieWrites(),
    seconds: secondsSince(startedAt),
  };
  await rig.stop();
  await parts.postgres.stop();
  return {
    totals,
    phases: Object.fromEntries(Object.entries(results).map(([name, result]) => [name, snakeCase(result)])),
    violations: Object.entries(results).flatMap(([name, { violations }]) =>
      violations.map((violation) => `${name}: ${violation}`),
    ),
  };
}

async function runPhases(
  parts: Parts,
  names: readonly string[],
  kills: number,
): Promise<Record<string, PhaseResult>> {
  const done: Record<string, PhaseResult> = {};
  for (const name of names) {
    const phase = PHASES[name];
    if (!phase) throw new Error(`no phase ${name}: there are ${Object.keys(PHASES).join(', ')} and points`);
    parts.say(`— ${name}`);
    const since = performance.now();
    const { uncertainMax, violations: own = [] } = await phase(parts, kills);
    const checked = await parts.rig.check(uncertainMax);
    checked.violations.push(...own);
    done[name] = { ...checked, uncertainMax, seconds: secondsSince(since) };
    parts.say(summary(done[name]));
  }
  return done;
}

function summary(result: PhaseResult): string {
  const { audience, accepted, lost, duplicates, uncertain, uncertainDelivered, seconds } = result;
  return `  ${seconds} s: audience ${audience}, accepted ${accepted}, lost ${lost}, duplicates ${duplicates}, uncertain ${uncertain} (${uncertainDelivered} delivered)`;
}

function sums(all: readonly PhaseResult[]): Record<string, unknown> {
  const sum = (of: (result: PhaseResult) => number) => all.reduce((total, result) => total + of(result), 0);
  return {
    lost: sum((result) => result.lost),
    duplicates: sum((result) => result.duplicates),
    uncertain: sum((result) => result.uncertain),
    uncertain_max: sum((result) => result.uncertainMax),
    uncertain_delivered: sum((result) => result.uncertainDelivered),
    misreported: sum((result) => result.misreported),
    sums_ok: all.every((result) => result.sumsOk),
    recipients: sum((result) => result.audience),
    accepted: sum((result) => result.accepted),
    rejected: sum((result) => result.rejected),
  };
}

function snakeCase(result: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(result).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}

async function restartPostgres(parts: Parts, pids: number[]): Promise<void> {
  for (const pid of pids) killIfThere(pid);
  await parts.postgres.stop();
  parts.postgres = await startEmbeddedPostgres({ dataDir: parts.dataDir });
}

async function processesOf(postgres: EmbeddedPostgres): Promise<number[]> {
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
