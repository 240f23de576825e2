/**
 * One campaign to a test city, straight to its MX hosts: a database, worker processes and the city's providers, and what
 * became of everybody, by Camp's rows and by the providers' own books.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../server/kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../../server/kernel/ids.ts';
import { sql } from '../../server/kernel/sql.ts';
import { type City, type CityOptions, cityRecipients, startCity } from '../city/city.ts';
import type { MessageRecord } from '../city/ledger.ts';
import type { ProviderReport } from '../city/provider.ts';
import { createTestDatabase } from '../support/database.ts';
import { Installation } from '../support/processes.ts';

export interface CityRunOptions {
  recipients: string[] | number;
  workers: number;
  connections: number;
  giveUpSeconds: number;
  city: Omit<CityOptions, 'dir'>;
  /** The run fails when it takes longer. */
  secondsMax: number;
  say: (line: string) => void;
}

export interface CityRunResult {
  recipients: string[];
  /** Messages in each state. */
  states: Record<string, number>;
  /** Accepted by Camp's rows, and no provider has it; or in no state at all. */
  lost: number;
  /** A provider has it more than once. */
  duplicates: number;
  /** A provider has it, and Camp says that it was neither accepted nor uncertain. */
  denied: number;
  /** In no final state when the time was up. */
  unfinished: number;
  providers: ProviderReport[];
  records: MessageRecord[];
  seconds: number;
  crashes: string[];
}

const LOOK_AGAIN_MS = 500;
const FINAL = [
  'accepted',
  'rejected',
  'suppressed',
  'cancelled',
  'expired',
  'uncertain',
  'bounced',
  'complained',
];

export async function runCity(options: CityRunOptions): Promise<CityRunResult> {
  await using started = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'camp-city-'));
  started.defer(() => rm(dir, { recursive: true }));
  const db = await createTestDatabase();
  started.defer(() => db.drop());
  const city = await startCity({ dir, ...options.city });
  started.defer(() => city.stop());
  const installation = new Installation({ databaseUrl: db.url, smtpUrl: '', env: cityEnv(city) });
  started.defer(() => installation.stop());
  const recipients =
    typeof options.recipients === 'number' ? cityRecipients(city, options.recipients) : options.recipients;
  const id = await launch(installation, dir, recipients, options.giveUpSeconds);
  const startedAt = performance.now();
  const start = () => installation.startWorker(options.connections);
  const workers = await Promise.all(Array.from({ length: options.workers }, start));
  await finished(db.database, id, options);
  const seconds = (performance.now() - startedAt) / 1_000;
  await Promise.all(workers.map((worker) => worker.end('SIGTERM')));
  const rows = await messages(db.database, id);
  const judged = await judge(city, recipients, rows);
  return { ...judged, recipients, seconds, crashes: installation.crashes };
}

/** Everything straight to the city's MX hosts, with retries that somebody can wait for. */
export function cityEnv({ resolver, mxPort }: City): Record<string, string> {
  return {
    SMTP_URL: '',
    CAMP_RESOLVER: resolver,
    CAMP_MX_PORT: String(mxPort),
    CAMP_RETRY_BASE_SECONDS: '1',
  };
}

async function launch(
  installation: Installation,
  dir: string,
  recipients: string[],
  giveUpSeconds: number,
): Promise<string> {
  const [people, template] = [join(dir, 'people.csv'), join(dir, 'city.txt')];
  await writeFile(people, `email\n${recipients.join('\n')}\n`);
  await writeFile(template, '---\nsubject: To the city\n---\nHello {{ email }}\n{{ unsubscribe_url }}\n');
  await installation.camp('import', people, '--list', 'City');
  const { id } = await installation.camp(
    ...['campaign', 'create', '--name', 'City', '--list', 'City', '--template', template],
    ...['--from', 'Camp <news@camp.example>', '--give-up', `${giveUpSeconds}s`],
  );
  await installation.camp('campaign', 'send', String(id), '--yes');
  return String(id);
}

async function finished(database: Database, id: string, { secondsMax, say }: CityRunOptions): Promise<void> {
  const until = performance.now() + secondsMax * 1_000;
  let said = '';
  while (performance.now() < until) {
    const counts = await countStates(database, id);
    const line = Object.entries(counts)
      .map(([state, n]) => `${n} ${state}`)
      .join(', ');
    if (line !== said) say(`  ${line}`);
    said = line;
    const open = Object.keys(counts).some((state) => !FINAL.includes(state));
    if (!open && Object.keys(counts).length > 0 && (await isFinished(database, id))) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

async function isFinished(database: Database, id: string): Promise<boolean> {
  const [row] = await database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    tx.query<{ state: string }>(sql`SELECT state FROM campaign WHERE id = ${id}`),
  );
  return row?.state === 'finished';
}

async function countStates(database: Database, id: string): Promise<Record<string, number>> {
  const rows = await database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    tx.query<{ state: string; n: number }>(
      sql`SELECT state, count(*)::float8 AS n FROM message WHERE campaign_id = ${id} GROUP BY state ORDER BY state`,
    ),
  );
  return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
}

function messages(database: Database, id: string) {
  return database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    tx.query<{ email: string; state: string }>(
      sql`SELECT email, state FROM message WHERE campaign_id = ${id}`,
    ),
  );
}

async function judge(city: City, recipients: string[], rows: { email: string; state: string }[]) {
  const accepted = await city.acceptedOf();
  const stateOf = new Map(rows.map(({ email, state }) => [email, state]));
  const has = (email: string) => (accepted.get(email) ?? 0) > 0;
  const states: Record<string, number> = {};
  for (const { state } of rows) states[state] = (states[state] ?? 0) + 1;
  return {
    states,
    lost: recipients.filter((email) => isLost(stateOf.get(email), has(email))).length,
    duplicates: [...accepted.values()].filter((times) => times > 1).length,
    denied: rows.filter(({ email, state }) => has(email) && !['accepted', 'uncertain'].includes(state))
      .length,
    unfinished: rows.filter(({ state }) => !FINAL.includes(state)).length,
    providers: await city.report(),
    records: await city.records(),
  };
}

function isLost(state: string | undefined, delivered: boolean): boolean {
  return state === undefined || (state === 'accepted' && !delivered);
}
