/**
 * A whole Camp under test: a database, worker processes, the recording sink, an audience, and the campaigns that were
 * sent to it. Tests start and break the parts; `check` tells what became of everybody.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Database, isDatabaseAway, type Tx } from '../../server/kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../../server/kernel/ids.ts';
import { sql } from '../../server/kernel/sql.ts';
import { type CheckedCampaign, type CheckResult, check } from './checker.ts';
import { Installation } from './processes.ts';
import { type Sink, startSink } from './sink.ts';

const LIST = 'Everybody';
const LOOK_AGAIN_MS = 50;

export interface RigOptions {
  databaseUrl: string;
  /** For the sink's log, the CSV file and the templates. */
  folder: string;
  recipients: number;
  seed?: number;
  /** Another copy of the program. */
  root?: string;
  env?: Record<string, string>;
}

export class Rig {
  readonly installation: Installation;
  readonly sink: Sink;
  readonly database: Database;
  readonly audience: string[];
  readonly #folder: string;
  #campaigns: CheckedCampaign[] = [];
  #campaignsSent = 0;

  private constructor(parts: Pick<Rig, 'installation' | 'sink' | 'database' | 'audience'>, folder: string) {
    this.installation = parts.installation;
    this.sink = parts.sink;
    this.database = parts.database;
    this.audience = parts.audience;
    this.#folder = folder;
  }

  /** Migrates and imports the audience; no worker runs yet. */
  static async start(options: RigOptions): Promise<Rig> {
    const { databaseUrl, folder, recipients, seed, root } = options;
    await mkdir(folder, { recursive: true });
    const sink = await startSink(folder, seed);
    const installation = new Installation({
      databaseUrl,
      smtpUrl: sink.smtpUrl,
      ...(root === undefined ? {} : { root }),
      env: { CAMP_RETRY_BASE_SECONDS: '1', ...options.env },
    });
    const database = new Database(databaseUrl, { connectionsMax: 3, applicationName: 'camp test' });
    const audience = Array.from({ length: recipients }, (_, number) => `${number}@crash.example`);
    const rig = new Rig({ installation, sink, database, audience }, folder);
    await rig.#importAudience();
    return rig;
  }

  /** Creates a campaign to the whole audience and sends it. */
  async sendCampaign(): Promise<CheckedCampaign> {
    this.#campaignsSent += 1;
    const subject = `crash-${this.#campaignsSent}`;
    const template = join(this.#folder, `${subject}.txt`);
    await writeFile(
      template,
      `---\nname: ${subject}\nsubject: ${subject}\n---\nHello {{ email }}\n{{ unsubscribe_url }}\n`,
    );
    const { id } = await this.installation.camp(
      ...['campaign', 'create', '--name', subject, '--list', LIST],
      ...['--template', template, '--from', 'Camp <news@camp.example>'],
    );
    const campaign = { id: String(id), subject };
    await this.installation.camp('campaign', 'send', campaign.id);
    this.#campaigns.push(campaign);
    return campaign;
  }

  /** Messages of all campaigns in these states, by the counters. */
  async count(...states: string[]): Promise<number> {
    const [row] = await this.query<{ n: number }>((tx) =>
      tx.query(sql`SELECT coalesce(sum(n), 0)::float8 AS n FROM campaign_count WHERE state = ANY(${states})`),
    );
    return row?.n ?? 0;
  }

  /** Waits until every campaign has finished that was not checked yet, or the time is up: `check` tells which. */
  async finished(msMax: number): Promise<void> {
    await this.waitFor(msMax, () => this.hasFinished());
  }

  async hasFinished(): Promise<boolean> {
    const ids = this.#campaigns.map(({ id }) => id);
    const states = await this.query<{ state: string }>((tx) =>
      tx.query(sql`SELECT state FROM campaign WHERE id = ANY(${ids}::uuid[])`),
    );
    return states.every(({ state }) => state === 'finished');
  }

  /** Polls until it holds or the time is up. */
  async waitFor(msMax: number, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + msMax;
    while (!(await holds()) && performance.now() < deadline) await sleep(LOOK_AGAIN_MS);
  }

  /** In the workspace; again and again while the database is away. */
  async query<Row>(work: (tx: Tx) => Promise<Row[]>): Promise<Row[]> {
    for (;;) {
      try {
        return await this.database.withWorkspace(DEFAULT_WORKSPACE_ID, work);
      } catch (error) {
        if (!isDatabaseAway(error)) throw error;
        await sleep(LOOK_AGAIN_MS);
      }
    }
  }

  /** Writes that the fence kept from workers that were declared dead, since the installation was made. */
  async zombieWrites(): Promise<number> {
    const [row] = await this.database.withSystem((tx) =>
      tx.query<{ n: number }>(sql`SELECT zombie_writes::float8 AS n FROM installation`),
    );
    return row?.n ?? 0;
  }

  /**
   * Of every campaign since the last check. A worker that ended by itself is a violation as well.
   */
  async check(uncertainMax: number): Promise<CheckResult> {
    const { database, audience, installation } = this;
    const campaigns = this.#campaigns;
    this.#campaigns = [];
    const records = await this.sink.records();
    const result = await check({ database, audience, campaigns, records, uncertainMax });
    for (const lastWords of installation.crashes.splice(0))
      result.violations.push(`a worker ended by itself; it said: ${lastWords}`);
    return result;
  }

  async stop(): Promise<void> {
    await this.installation.stop();
    await this.database.close();
    await this.sink.stop();
  }

  async #importAudience(): Promise<void> {
    const file = join(this.#folder, 'audience.csv');
    await writeFile(file, `email\n${this.audience.join('\n')}\n`);
    await this.installation.camp('migrate');
    await this.installation.camp('import', file, '--list', LIST);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
