/**
 * A Camp that sends straight to the MX hosts of a small, healthy city, and campaigns to people of whom neither has heard
 * before. Where mail goes is forgotten between two campaigns, so that each takes the whole way.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureWorkspace } from '../../server/accounts/workspaces.ts';
import { upsertContact } from '../../server/audience/contacts.ts';
import { changeSubscription, findOrCreateList } from '../../server/audience/lists.ts';
import { sendCampaign } from '../../server/campaigns/campaign.ts';
import { createCampaign } from '../../server/campaigns/draft.ts';
import type { Database, Tx } from '../../server/kernel/database.ts';
import { DEFAULT_WORKSPACE_ID as WORKSPACE } from '../../server/kernel/ids.ts';
import { recoverJobsOf } from '../../server/kernel/jobs.ts';
import { createLog } from '../../server/kernel/log.ts';
import { sql } from '../../server/kernel/sql.ts';
import { WorkerSession } from '../../server/kernel/worker-session.ts';
import { recoverMessagesOf } from '../../server/queue/recover.ts';
import { type City, startCity } from '../city/city.ts';
import { providerSpec } from '../city/providers.ts';
import { FATES } from '../city/spec.ts';
import { until } from '../support/campaign.ts';
import { createTestDatabase } from '../support/database.ts';
import { CityWorkers, type SafeWorker } from './city-workers.ts';
import type { Look, Row, Share } from './verdicts.ts';

/** We demand TLS of the first, the second offers it, the third has none. */
const PROVIDERS = [
  { name: 'google', domain: 'gmail.example', tls: true },
  { name: 'yahoo', domain: 'yahoo.example', tls: true },
  { name: 'harbour', domain: 'harbour.example', tls: false },
];
/** Of each provider, beside one whose first try is deferred. */
const PEOPLE = 4;
/** So that several messages are on the wire when one of them is struck. */
const ANSWER_MS = 10;
const FINISH_MS_MAX = 30_000;
const LOOK_AGAIN_MS = 25;

export interface Person {
  email: string;
  provider: string;
  tls: boolean;
  /** The provider defers the first try. */
  deferred: boolean;
}

export class CityRig implements AsyncDisposable {
  readonly city: City;
  readonly workers: CityWorkers;
  readonly #database: Database;
  readonly #parts: AsyncDisposableStack;
  #campaigns = 0;
  #limitsBroken = 0;

  private constructor(
    { city, workers }: Pick<CityRig, 'city' | 'workers'>,
    database: Database,
    parts: AsyncDisposableStack,
  ) {
    this.city = city;
    this.workers = workers;
    this.#database = database;
    this.#parts = parts;
  }

  /** `folder`: for the copy of the program and the city's books. */
  static async start(folder: string, seed: number): Promise<CityRig> {
    await using parts = new AsyncDisposableStack();
    const { directUrl, database, drop } = await createTestDatabase();
    parts.defer(drop);
    await ensureWorkspace(database, WORKSPACE, 'crash');
    const providers = PROVIDERS.map(({ name }) => healthy(name));
    const city = await startCity({ dir: folder, seed, providers });
    parts.defer(() => city.stop());
    const workers = await CityWorkers.prepare(folder, directUrl, city);
    parts.defer(() => workers.stop());
    return new CityRig({ city, workers }, database, parts.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }

  /** The people of the next campaign. */
  invite(): Person[] {
    this.#campaigns += 1;
    return PROVIDERS.flatMap(({ name: provider, domain, tls }) =>
      Array.from({ length: PEOPLE + 1 }, (_, at) => {
        const deferred = at === PEOPLE;
        const prefix = deferred ? FATES.overRate.prefix : '';
        return { email: `${prefix}${this.#campaigns}-${at}@${domain}`, provider, tls, deferred };
      }),
    );
  }

  /** Sends them a campaign and gives its id. */
  async send(people: readonly Person[]): Promise<string> {
    const name = `crash ${this.#campaigns}`;
    await this.#database.withSystem((tx) => tx.query(sql`DELETE FROM mail_domain`));
    const listId = await this.#inWorkspace(async (tx) => {
      const list = await findOrCreateList(tx, WORKSPACE, name);
      for (const { email } of people) {
        const saved = await upsertContact(tx, WORKSPACE, { email });
        if (saved.kind !== 'saved') throw new Error(saved.reason);
        const of = { workspaceId: WORKSPACE, listId: list, contactId: saved.id };
        await changeSubscription(tx, of, 'subscribe');
      }
      return list;
    });
    const campaignId = await createCampaign(this.#database, WORKSPACE, {
      name,
      listIds: [listId],
      from: { email: 'news@camp.example' },
      template: { name: 'crash.txt', body: `---\nsubject: ${name}\n---\nHello {{ email }}\n` },
    });
    await sendCampaign(this.#database, { workspaceId: WORKSPACE, campaignId });
    return campaignId;
  }

  /** What a worker that is gone had begun is over: commits that had left, and bytes on the wire. */
  async settled(): Promise<void> {
    await until(async () => {
      const [backends] = await this.#database.withOwner((tx) =>
        tx.query<{ n: number }>(sql`SELECT count(*)::float8 AS n FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'camp worker'`),
      );
      return backends?.n === 0;
    }, 'the end of its connections to Postgres');
    await until(async () => {
      const reports = await this.city.report();
      return reports.every(({ connections_open: open }) => open === 0);
    }, 'the end of its connections to the city');
  }

  /** As any other worker does it, when the lease of the dead has run out. */
  async recoverDead(): Promise<void> {
    const recover = [recoverMessagesOf, recoverJobsOf];
    const session = await WorkerSession.start({
      database: this.#database,
      log: createLog('silent'),
      recover,
    });
    await until(async () => {
      await session.recoverDeadWorkers();
      const [others] = await this.#database.withSystem((tx) =>
        tx.query<{ n: number }>(sql`SELECT count(*)::float8 AS n FROM worker WHERE id <> ${session.id}`),
      );
      return others?.n === 0;
    }, 'the end of the lease of a dead worker');
    await session.end();
  }

  /** Lets the worker send what is left, and drains it. */
  async finish(worker: SafeWorker, campaignId: string): Promise<{ look: Look; violations: string[] }> {
    const deadline = performance.now() + FINISH_MS_MAX;
    while (!(await this.#isFinished(campaignId)) && performance.now() < deadline) await sleep(LOOK_AGAIN_MS);
    const violations = (await this.#isFinished(campaignId)) ? [] : ['the campaign did not finish'];
    violations.push(...(await worker.drain()));
    await this.settled();
    const limitsBroken = await this.#newLimitsBroken();
    if (limitsBroken > 0) violations.push(`limits were broken ${limitsBroken} times`);
    return { look: await this.look(campaignId), violations };
  }

  async look(campaignId: string): Promise<Look> {
    const [rows, counts] = await this.#inWorkspace((tx) =>
      Promise.all([
        tx.query<Row>(sql`SELECT email, state, attempt, deferrals, worker_id AS "workerId", lane FROM message
          WHERE campaign_id = ${campaignId}`),
        tx.query<{ state: string; n: number }>(sql`SELECT state, sum(n)::float8 AS n FROM campaign_count
          WHERE campaign_id = ${campaignId} GROUP BY state`),
      ]),
    );
    const counters = Object.fromEntries(counts.map(({ state, n }) => [state, n]));
    return { rows, counters, delivered: await this.city.acceptedOf() };
  }

  shares(): Promise<Share[]> {
    return this.#database.withSystem((tx) =>
      tx.query(sql`SELECT worker_id AS "workerId", d.id AS lane, expires_at <= now() AS "isOver"
        FROM share LEFT JOIN destination d ON d.name = target`),
    );
  }

  async #isFinished(campaignId: string): Promise<boolean> {
    const [campaign] = await this.#inWorkspace((tx) =>
      tx.query<{ state: string }>(sql`SELECT state FROM campaign WHERE id = ${campaignId}`),
    );
    return campaign?.state === 'finished';
  }

  /** Since the last time. */
  async #newLimitsBroken(): Promise<number> {
    const before = this.#limitsBroken;
    const reports = await this.city.report();
    this.#limitsBroken = reports.reduce((sum, { limits_broken: broken }) => sum + broken, 0);
    return this.#limitsBroken - before;
  }

  #inWorkspace<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#database.withWorkspace(WORKSPACE, work);
  }
}

function healthy(name: string) {
  const spec = providerSpec(name);
  return { ...spec, manner: { ...spec.manner, shares: {}, answerMs: ANSWER_MS } };
}
