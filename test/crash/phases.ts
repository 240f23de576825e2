/**
 * The ways in which a campaign is disturbed. Each phase sends campaigns of its own, breaks something while messages
 * are on the wire, waits until the campaigns have finished by themselves, and has everybody checked. Random choices
 * come from the seed; how they fall in time is the machine's.
 */
import type { Worker } from '../support/processes.ts';
import type { Rig } from '../support/rig.ts';
import type { SinkBehaviour } from '../support/sink.ts';
import { lockTable } from '../support/table-lock.ts';

/** The relay takes its time, so that there is always something on the wire. */
export const SLOW_REPLIES: Partial<SinkBehaviour> = { replyMs: [20, 200] };
const WORKERS = 2;
/** From kernel/worker-session.ts: so long after its last heartbeat a worker may be declared dead. */
const LEASE_MS = 12_000;
const PAST_LEASE_MS = 30_000;
/** Well within the other worker's lease, whose heartbeat waits as well. */
const ZOMBIE_MS = 2_000;
const FINISH_MS_MAX = 300_000;
/** A worker that drains waits for the relay's answers, and for no more. */
const DRAIN_MS_MAX = 20_000;

export interface PhaseContext {
  rig: Rig;
  random: () => number;
  connections: number;
  say: (line: string) => void;
}

/** How many messages may be uncertain afterwards, because they were on the wire when something broke. */
export interface PhaseEnd {
  uncertainMax: number;
  violations?: string[];
}

/** `kill -9` of a random worker, each replaced at once. Sends further campaigns until there were enough kills. */
export async function killWorkers(
  context: PhaseContext,
  kills: number,
  pauseMs: [min: number, max: number],
): Promise<PhaseEnd> {
  const { rig, connections, say } = context;
  await startWorkers(context);
  for (let kill = 1; kill <= kills; kill++) {
    await keepBusy(context);
    await pause(context, ...pauseMs);
    await pickWorker(context).end('SIGKILL');
    say(`kill ${kill} of ${kills}`);
    await rig.installation.startWorker(connections);
  }
  await rig.finished(FINISH_MS_MAX);
  return { uncertainMax: kills * connections };
}

/** SIGTERM, as a deployment does it: nothing on the wire may be left in doubt. */
export async function terminateWorkers(
  context: PhaseContext,
  times: number,
  pauseMs: [min: number, max: number],
): Promise<PhaseEnd> {
  const { rig, connections, say } = context;
  const violations: string[] = [];
  await startWorkers(context);
  for (let time = 1; time <= times; time++) {
    await keepBusy(context);
    await pause(context, ...pauseMs);
    const worker = pickWorker(context);
    const since = performance.now();
    await Promise.all([worker.end('SIGTERM'), rig.installation.startWorker(connections)]);
    const tookMs = Math.round(performance.now() - since);
    say(`SIGTERM ${time} of ${times}: drained in ${tookMs} ms`);
    if (tookMs > DRAIN_MS_MAX) violations.push(`a worker took ${tookMs} ms to drain`);
  }
  await rig.finished(FINISH_MS_MAX);
  return { uncertainMax: 0, violations };
}

/** SIGSTOP until long after the lease: what the worker holds is others' when it goes on. */
export async function stopWorker(context: PhaseContext): Promise<PhaseEnd> {
  const { rig, connections, say } = context;
  await startWorkers(context);
  await keepBusy(context);
  await pause(context, 1_000, 3_000);
  const worker = pickWorker(context);
  worker.signal('SIGSTOP');
  say(`stopped a worker for ${(LEASE_MS + PAST_LEASE_MS) / 1000} s`);
  await sleep(LEASE_MS + PAST_LEASE_MS);
  const zombieWrites = await goOnUnknowing(context, worker);
  await worker.logged('worker_declared_dead');
  say(`it goes on, ${zombieWrites} writes were refused, and it knows that it was declared dead`);
  await rig.finished(FINISH_MS_MAX);
  const violations = zombieWrites > 0 ? [] : ['no write of the stopped worker was counted'];
  return { uncertainMax: connections, violations };
}

/** Keeps the worker from learning at once that it is dead: what it does until then must do no harm. */
async function goOnUnknowing({ rig }: PhaseContext, worker: Worker): Promise<number> {
  const before = await rig.zombieWrites();
  const lock = await lockTable(rig.database.url, 'worker', 'ACCESS EXCLUSIVE');
  worker.signal('SIGCONT');
  await sleep(ZOMBIE_MS);
  await lock.release();
  return (await rig.zombieWrites()) - before;
}

/** `restart` ends Postgres with `kill -9` and starts it again; the workers go on by themselves. */
export async function killPostgres(context: PhaseContext, restart: () => Promise<void>): Promise<PhaseEnd> {
  const { rig, connections, say } = context;
  await startWorkers(context);
  await keepBusy(context);
  await pause(context, 1_000, 3_000);
  say('killing Postgres');
  await restart();
  say('Postgres is back');
  await rig.finished(FINISH_MS_MAX);
  return { uncertainMax: WORKERS * connections };
}

/** Every process of Camp and of Postgres at once, as when the power fails. */
export async function killMachine(context: PhaseContext, restart: () => Promise<void>): Promise<PhaseEnd> {
  const { rig, connections, say } = context;
  await startWorkers(context);
  await keepBusy(context);
  await pause(context, 1_000, 3_000);
  say('killing everything');
  const killed = [...rig.installation.workers].map((worker) => worker.end('SIGKILL'));
  await Promise.all([restart(), ...killed]);
  say('starting again');
  await startWorkers(context);
  await rig.finished(FINISH_MS_MAX);
  return { uncertainMax: WORKERS * connections };
}

export async function startWorkers({ rig, connections }: PhaseContext): Promise<void> {
  const missing = WORKERS - rig.installation.workers.size;
  await Promise.all(Array.from({ length: missing }, () => rig.installation.startWorker(connections)));
}

/** Sees to it that there is mail to send, and that some of it is on its way. */
export async function keepBusy({ rig, say }: PhaseContext): Promise<void> {
  if ((await rig.count('queued')) > rig.audience.length / 20) return;
  const { accepted } = await rig.sink.report();
  const { subject } = await rig.sendCampaign();
  say(`sending ${subject} to ${rig.audience.length}`);
  await rig.sink.accepted(accepted + 1);
}

function pickWorker({ rig, random }: PhaseContext): Worker {
  const workers = [...rig.installation.workers];
  const worker = workers[Math.floor(random() * workers.length)];
  if (!worker) throw new Error(`no worker runs: ${rig.installation.crashes.join('\n')}`);
  return worker;
}

function pause({ random }: PhaseContext, minMs: number, maxMs: number): Promise<void> {
  return sleep(minMs + random() * (maxMs - minMs));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
