/**
 * One campaign through the whole of Camp: real worker processes, started before the clock, a durable Postgres, and a
 * clock that is the campaign's own row. A run that did not accept every message is no result.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sendCampaign } from '../server/campaigns/campaign.ts';
import { createCampaign } from '../server/campaigns/draft.ts';
import { type CampaignStatus, campaignStatus } from '../server/campaigns/status.ts';
import type { Bench } from './bench.ts';
import { type BenchDatabase, createDatabase } from './database.ts';
import { cpuMs, familyCpuMs, peakRssMb } from './machine.ts';
import type { Sink } from './postfix.ts';
import { SENDER, TEMPLATE } from './sample-mail.ts';

/** To a relay: what sends most on two cores, where the worker, Postgres and the sink share them. */
export const CONNECTIONS = 100;

const CAMP = join(import.meta.dirname, '../bin/camp');
const LOOK_AGAIN_MS = 200;
/** A campaign slower than this is stuck. */
const MESSAGES_PER_S_MIN = 200;
const START_MS_MAX = 10_000;
const LOG_LEVEL_WARN = 40;

/** Who sends, and where to. */
export interface Crew {
  workers: number;
  /** The workers' settings, beside the database. */
  env: Record<string, string>;
}

export interface CampRun {
  recipients: number;
  /** From `send` to finished, the freeze included. */
  messagesPerS: number;
  /** From the end of the freeze to finished. */
  sendingPerS: number;
  freezeMs: number;
  /** Of the worker that had most. */
  peakRssMb: number;
  workerCpuMs: number;
  postgresCpuMs: number;
}

/** One worker, through a relay, to a fresh audience. */
export async function runCampaign(bench: Bench, sink: Sink, recipients: number): Promise<CampRun> {
  await using made = await createDatabase(bench, recipients);
  return sendToAll(bench, made, recipients, throughRelay(sink, 1));
}

export function throughRelay(sink: Sink, workers: number): Crew {
  return { workers, env: { SMTP_URL: sink.url, CAMP_CONNECTIONS: String(CONNECTIONS) } };
}

/** `recipients`: all contacts of the database. */
export async function sendToAll(
  bench: Bench,
  made: BenchDatabase,
  recipients: number,
  crew: Crew,
): Promise<CampRun> {
  const started = Array.from({ length: crew.workers }, () => startWorker(bench, made.url, crew.env));
  const workers = await Promise.all(started);
  const pids = workers.map((worker) => worker.pid ?? 0);
  const { database, workspaceId, listId } = made;
  const of = {
    workspaceId,
    campaignId: await createCampaign(database, workspaceId, {
      name: 'Bench',
      listIds: [listId],
      from: SENDER,
      template: TEMPLATE,
    }),
  };
  const before = costs(bench, pids);
  await sendCampaign(database, of);
  const status = await untilFinished(bench, made, of, recipients);
  const after = costs(bench, pids);
  const peak = Math.max(...pids.map(peakRssMb));
  await Promise.all(workers.map(stop));
  if (status.counts.accepted !== recipients)
    throw new Error(`Of ${recipients} messages not all were accepted: ${JSON.stringify(status.counts)}.`);
  return {
    recipients,
    ...rates(status, recipients),
    peakRssMb: peak,
    workerCpuMs: after.workers - before.workers,
    postgresCpuMs: after.postgres - before.postgres,
  };
}

/** Resolves when it has its session. Its IPC channel ends it when this process is gone. */
async function startWorker(
  bench: Bench,
  databaseUrl: string,
  env: Record<string, string>,
): Promise<ChildProcess> {
  bench.scope.throwIfEnded();
  const { PATH, NODE_OPTIONS } = process.env;
  const child = spawn(CAMP, ['worker'], {
    env: { PATH, NODE_OPTIONS, DATABASE_URL: databaseUrl, CAMP_PREPARED_STATEMENTS: 'on', ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  bench.resources.defer(() => stop(child));
  const lines = createInterface(child.stderr ?? process.stdin);
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('The worker did not start.')), START_MS_MAX);
    lines.on('line', (line) => {
      if (line.includes('"worker_started"')) resolve();
      else if (isTrouble(line)) bench.say(`worker: ${line}`);
      clearTimeout(late);
    });
    child.once('exit', () => reject(new Error('The worker ended.')));
  });
  return child;
}

function isTrouble(line: string): boolean {
  const level = /^\{"level":(\d+)/.exec(line)?.[1];
  return level === undefined || Number(level) >= LOG_LEVEL_WARN;
}

async function stop(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const ended = once(worker, 'exit');
  worker.kill('SIGTERM');
  await ended;
}

function costs(bench: Bench, workers: number[]): { workers: number; postgres: number } {
  const sum = workers.map(cpuMs).reduce((total, ms) => total + ms, 0);
  return { workers: sum, postgres: familyCpuMs(bench.postgres.pid) };
}

async function untilFinished(
  { scope }: Bench,
  { database }: BenchDatabase,
  of: { workspaceId: string; campaignId: string },
  recipients: number,
): Promise<CampaignStatus> {
  const deadline = performance.now() + 60_000 + (recipients / MESSAGES_PER_S_MIN) * 1_000;
  for (;;) {
    const { campaign } = await campaignStatus(database, of);
    if (campaign.finishedAt) return campaignStatus(database, of, 'rows');
    if (performance.now() > deadline) throw new Error(`The campaign is stuck in state ${campaign.state}.`);
    await scope.sleep(LOOK_AGAIN_MS);
  }
}

function rates({ campaign }: CampaignStatus, recipients: number) {
  const [started, frozen, finished] = [campaign.startedAt, campaign.frozenAt, campaign.finishedAt].map(
    Number,
  );
  if (!started || !frozen || !finished) throw new Error('A finished campaign lacks one of its times.');
  return {
    messagesPerS: (recipients / (finished - started)) * 1_000,
    sendingPerS: (recipients / (finished - frozen)) * 1_000,
    freezeMs: frozen - started,
  };
}
