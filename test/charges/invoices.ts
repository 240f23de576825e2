/**
 * `npm run test:invoices`: invoices while everything is killed that can be. First they are settled by twenty processes
 * that die in the middle of it, and rendered and mailed by workers that die too. Then many wait to be mailed when the
 * worker and Postgres are killed. In the end the books are compared: numbers without a gap, one mail for each, and what
 * somebody else's program reads in the PDFs.
 *
 *       --json             the last line of standard output is one JSON object
 *       --seed N           the same choices again
 *       --invoices N       settled while processes are killed; 1000 by default
 *       --kills N          of the settling processes; 100 by default
 *       --worker-kills N   of the workers meanwhile; 10 by default
 *       --pending N        waiting when worker and Postgres are killed; 500 by default
 *
 * Exit code 1, and one line for each violation, when something is not as it should be.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { issuedMailId } from '../../server/billing/invoice-jobs.ts';
import { Database, isDatabaseAway } from '../../server/kernel/database.ts';
import { startEmbeddedPostgres } from '../../server/kernel/embedded-postgres.ts';
import { DEFAULT_WORKSPACE_ID } from '../../server/kernel/ids.ts';
import { sql } from '../../server/kernel/sql.ts';
import { SELLER, setSeller } from '../support/invoices.ts';
import { Installation } from '../support/processes.ts';
import { seededRandom } from '../support/random.ts';
import { startSink } from '../support/sink.ts';
import { checkBooks } from './invoice-books.ts';
import { settleUnderKills } from './settle.ts';

const WORKERS = 2;
const CONNECTIONS = 10;
const WORKER_LIFE_MS: [min: number, max: number] = [1_000, 4_000];
const MAIL_MS_MAX = 600_000;
const LOOK_AGAIN_MS = 200;

const { values: flags } = parseArgs({
  options: {
    invoices: { type: 'string', default: '1000' },
    kills: { type: 'string', default: '100' },
    'worker-kills': { type: 'string', default: '10' },
    pending: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    json: { type: 'boolean', default: false },
  },
});
const [invoices, kills] = [Number(flags.invoices), Number(flags.kills)];
const [pending, seed] = [Number(flags.pending), Number(flags.seed)];
const workspaceId = DEFAULT_WORKSPACE_ID;
const random = seededRandom(seed);

const startedAt = performance.now();
const folder = await mkdtemp(join(tmpdir(), 'camp-invoices-'));
// Root's Postgres runs as another user, who must get into it.
await chmod(folder, 0o755);
const dataDir = join(folder, 'postgres');
let postgres = await startEmbeddedPostgres({ dataDir, log: say });
const { url: databaseUrl } = postgres;
const sink = await startSink(folder, seed);
await sink.behave({ replyMs: [5, 50] });
const env = { CAMP_RETRY_BASE_SECONDS: '1' };
const installation = new Installation({ databaseUrl, smtpUrl: sink.smtpUrl, env });
await installation.camp('migrate');
const database = new Database(databaseUrl, { connectionsMax: 2, applicationName: 'camp test' });
// Short, so that a subject stands on one line.
await setSeller(database, { ...SELLER, name: 'Postwerk' });

say(`seed ${seed}: the same seed makes the same choices`);
const workersDie = killWorkers(Number(flags['worker-kills']));
const settlersKilled = await settleUnderKills({ databaseUrl, workspaceId, invoices, kills, random });
say(`${invoices} payments settled; ${settlersKilled} settlers were killed`);
const workersKilled = await workersDie;
await untilMailed(invoices);
say(`${(await sink.report()).accepted} mails accepted; ${workersKilled} workers were killed`);
await killWhilePending();
const { violations, uncertain } = await checkBooks(database, workspaceId, {
  invoices: invoices + pending,
  records: await sink.records(),
});
violations.push(
  ...installation.crashes.map((lastWords) => `a worker ended by itself; it said: ${lastWords}`),
);
for (const violation of violations) process.stderr.write(`VIOLATION ${violation}\n`);
const result = { invoices, pending, settlersKilled, workersKilled, uncertain, violations: violations.length };
const seconds = Math.round((performance.now() - startedAt) / 1_000);
console.log(flags.json ? JSON.stringify({ ...result, seconds, seed }) : { ...result, seconds });
await installation.stop();
await database.close();
await sink.stop();
await postgres.stop();
if (violations.length === 0) await rm(folder, { recursive: true });
process.exitCode = violations.length === 0 ? 0 : 1;

/** Keeps workers running, and kills one after the other while they work. Gives how many were killed. */
async function killWorkers(count: number): Promise<number> {
  await Promise.all(Array.from({ length: WORKERS }, () => installation.startWorker(CONNECTIONS)));
  for (let killed = 0; killed < count; killed += 1) {
    const [min, max] = WORKER_LIFE_MS;
    await sleep(min + random() * (max - min));
    const [oldest] = installation.workers;
    await oldest?.end('SIGKILL');
    await installation.startWorker(CONNECTIONS);
  }
  return count;
}

/** The worker and Postgres die when some of the mails that wait have left; both come back. */
async function killWhilePending(): Promise<void> {
  await installation.stop();
  await settleUnderKills({ databaseUrl, workspaceId, invoices: pending, kills: 0, random });
  const { accepted: before } = await sink.report();
  const worker = await installation.startWorker(CONNECTIONS);
  await sink.accepted(before + Math.floor(pending / 5));
  await worker.end('SIGKILL');
  process.kill(postgres.pid, 'SIGKILL');
  const { accepted } = await sink.report();
  say(`${invoices + pending - accepted} mails were pending when the worker and Postgres were killed`);
  postgres = await startEmbeddedPostgres({ dataDir, log: say });
  await installation.startWorker(CONNECTIONS);
  await untilMailed(invoices + pending);
}

/** Every invoice's mail is where nothing more happens to it, or the time is up. */
async function untilMailed(count: number): Promise<void> {
  const deadline = performance.now() + MAIL_MS_MAX;
  while ((await mailsEnded()) < count && performance.now() < deadline) await sleep(LOOK_AGAIN_MS);
}

async function mailsEnded(): Promise<number> {
  try {
    return await countMailsEnded();
  } catch (error) {
    if (!isDatabaseAway(error)) throw error;
    return 0;
  }
}

function countMailsEnded(): Promise<number> {
  return database.readWorkspace(workspaceId, async (tx) => {
    const ids = await tx.query<{ id: string }>(sql`SELECT id FROM invoice`);
    const [row] = await tx.query<{ n: number }>(sql`
      SELECT count(*)::float8 AS n FROM message
      WHERE contact_id = ANY(${ids.map(({ id }) => issuedMailId(id))}) AND due_at IS NULL AND worker_id IS NULL`);
    return row?.n ?? 0;
  });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
