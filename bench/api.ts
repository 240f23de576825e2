/**
 * The API as a client meets it: one `camp web` process, a durable Postgres, and the load, all on this machine.
 *
 * POST /v1/messages with an Idempotency-Key that is new each time: how many a second, and how long one takes at half of that
 * rate. Beside it stand what the parts alone can do in the same run: answers that need no database (/healthz), and the same
 * row written and committed singly. Then pages of the list of contacts, wherever in it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createKey } from '../server/accounts/keys.ts';
import { operator } from '../server/accounts/principal.ts';
import { Database } from '../server/kernel/database.ts';
import { newId } from '../server/kernel/ids.ts';
import { type Bench, type Report, scaled } from './bench.ts';
import { type BenchDatabase, createDatabase } from './database.ts';
import { quantile, rounded } from './figures.ts';
import { closed, type Loaded, open, type Target } from './http-load.ts';
import { cpuMs, familyCpuMs } from './machine.ts';
import * as queries from './queries.ts';

const CONTACTS = 1_000_000;
const CONNECTIONS = 128;
const PAGE_CONNECTIONS = 4;
const MEASURE_MS = 8_000;
const WARM_UP_MS = 2_000;
const BASELINE_MS = 4_000;
const PAGES_MS = 5_000;
const START_MS_MAX = 20_000;
const CAMP = join(import.meta.dirname, '../bin/camp');

export async function benchApi(bench: Bench): Promise<Report> {
  const contacts = scaled(bench, CONTACTS);
  bench.say(`making ${contacts} contacts`);
  await using made = await createDatabase(bench, contacts);
  const { key } = await createKey(
    made.database,
    operator(made.workspaceId),
    { name: 'bench', role: 'owner' },
    {},
  );
  const web = await startWeb(bench, made.url);
  const ask = { url: web.url, connections: CONNECTIONS };
  bench.say('what the parts can do');
  const healthz = await closed({ ...ask, request: () => get('/healthz', key), status: 200 }, BASELINE_MS);
  const insertsPerS = await singleInserts(made);
  bench.say('sending');
  const send: Target = { ...ask, request: () => post(key), status: 201 };
  await closed(send, WARM_UP_MS);
  const before = { web: cpuMs(web.pid), postgres: familyCpuMs(bench.postgres.pid), at: performance.now() };
  const fast = await closed(send, MEASURE_MS);
  const tookMs = performance.now() - before.at;
  const webCpu = (cpuMs(web.pid) - before.web) / tookMs;
  const postgresCpu = (familyCpuMs(bench.postgres.pid) - before.postgres) / tookMs;
  const half = await open(send, fast.perS / 2, MEASURE_MS);
  bench.say('pages of contacts');
  const pages = await contactPages(web.url, key);
  web.stop();
  return report({ contacts, fast, half, webCpu, postgresCpu, healthz, insertsPerS, pages });
}

interface Measured {
  contacts: number;
  fast: Loaded;
  half: Loaded;
  webCpu: number;
  postgresCpu: number;
  healthz: Loaded;
  insertsPerS: number;
  pages: Loaded;
}

function report({
  contacts,
  fast,
  half,
  webCpu,
  postgresCpu,
  healthz,
  insertsPerS,
  pages,
}: Measured): Report {
  const p99 = (loaded: Loaded) => rounded(quantile(loaded.tookMs, 0.99), 1);
  const json = {
    send_per_s: rounded(fast.perS),
    p99_ms: p99(half),
    p50_ms: rounded(quantile(half.tookMs, 0.5), 1),
    half_rate_per_s: rounded(half.perS),
    full_rate_p99_ms: p99(fast),
    web_cpu_share: rounded(webCpu, 2),
    postgres_cpu_share: rounded(postgresCpu, 2),
    healthz_per_s: rounded(healthz.perS),
    send_per_healthz: rounded(fast.perS / healthz.perS, 2),
    inserts_per_s: rounded(insertsPerS),
    send_per_insert: rounded(fast.perS / insertsPerS, 2),
    contacts,
    contacts_page_p99_ms: p99(pages),
    contacts_page_p50_ms: rounded(quantile(pages.tookMs, 0.5), 1),
    contacts_pages_per_s: rounded(pages.perS),
  };
  return { table: [['figure', 'value'], ...Object.entries(json)], json };
}

const HEAD = 'host: 127.0.0.1\r\n';

function get(path: string, key: string): string {
  return `GET ${path} HTTP/1.1\r\n${HEAD}authorization: Bearer ${key}\r\n\r\n`;
}

function post(key: string): string {
  const body = mail();
  return `POST /v1/messages HTTP/1.1\r\n${HEAD}authorization: Bearer ${key}\r\nidempotency-key: ${randomUUID()}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

const TEXT = 'Thank you for your order. It leaves our house tomorrow.\n'.repeat(12);
let recipients = 0;

/** 1.5 KB, as a receipt has. */
function mail(): string {
  return JSON.stringify({
    from: { email: 'shop@bench.example', name: 'Shop' },
    to: { email: `person${recipients++}@city.example` },
    subject: 'Your order',
    text: TEXT,
    html: `<p>${TEXT}</p>`,
  });
}

/** The row of a message of its own, in a transaction each, as many at a time as the web server has connections. */
async function singleInserts({ url, workspaceId }: BenchDatabase): Promise<number> {
  const connections = 16;
  const database = new Database(url, { connectionsMax: connections });
  const campaignId = newId();
  const startedAt = performance.now();
  let inserted = 0;
  const insert = async () => {
    while (performance.now() - startedAt < BASELINE_MS) {
      await database.withWorkspace(workspaceId, (tx) =>
        queries.insertMail(tx, { workspaceId, campaignId, id: newId(), body: mail() }),
      );
      inserted += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, insert));
  const perS = (inserted / (performance.now() - startedAt)) * 1_000;
  await database.close();
  return perS;
}

/** Each connection reads on where it was. */
function contactPages(url: string, key: string): Promise<Loaded> {
  const request = (_: number, before: string) => {
    const cursor = before === '' ? null : (JSON.parse(before).next_cursor as string | null);
    return get(`/v1/contacts?limit=50${cursor === null ? '' : `&cursor=${cursor}`}`, key);
  };
  return closed({ url, connections: PAGE_CONNECTIONS, request, status: 200 }, PAGES_MS);
}

interface WebProcess {
  url: string;
  pid: number;
  stop(): void;
}

/** Its limits are out of the way: what is measured is not how well it refuses. */
async function startWeb(bench: Bench, databaseUrl: string): Promise<WebProcess> {
  const unlimited = {
    CAMP_LIMIT_ADDRESS: '1000000',
    CAMP_LIMIT_KEY: '1000000',
    CAMP_LIMIT_WORKSPACE: '1000000',
  };
  const env = {
    ...process.env,
    ...unlimited,
    DATABASE_URL: databaseUrl,
    CAMP_HTTP_PORT: '0',
    CAMP_LOG_LEVEL: 'warn',
  };
  const web: ChildProcess = spawn(CAMP, ['web'], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  bench.resources.defer(() => void web.kill());
  const signal = AbortSignal.timeout(START_MS_MAX);
  const [url] = await Promise.race([
    once(web, 'message', { signal }),
    once(web, 'exit', { signal }).then(() => {
      throw new Error('The web server ended before it listened.');
    }),
  ]);
  return { url: String(url), pid: web.pid ?? 0, stop: () => void web.kill() };
}
