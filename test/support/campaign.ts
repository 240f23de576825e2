/** A workspace with a list of people and a campaign to them, and a worker in this process to send it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureWorkspace } from '../../server/accounts/workspaces.ts';
import { upsertContact } from '../../server/audience/contacts.ts';
import { changeSubscription, findOrCreateList } from '../../server/audience/lists.ts';
import { createCampaign } from '../../server/campaigns/draft.ts';
import type { CampaignState } from '../../server/campaigns/states.ts';
import { type CampaignStatus, campaignStatus } from '../../server/campaigns/status.ts';
import { runWorker } from '../../server/cli/worker.ts';
import { readConfig } from '../../server/kernel/config.ts';
import type { Database } from '../../server/kernel/database.ts';
import { newId } from '../../server/kernel/ids.ts';
import { createLog } from '../../server/kernel/log.ts';
import { Scope } from '../../server/kernel/scope.ts';
import { type Sink, startSink } from './sink.ts';

const LOOK_MS = 15;
const WAIT_MS_MAX = 60_000;

export interface TestCampaign {
  workspaceId: string;
  campaignId: string;
}

/** A workspace of its own with these people, or so many (p0@city0.example, p1@…), on one list, and a draft to them. */
export async function makeCampaign(
  database: Database,
  people: number | string[],
  template = 'Hello {{ first_name | default: "you" }}\n',
): Promise<TestCampaign> {
  const workspaceId = newId();
  await ensureWorkspace(database, workspaceId, 'test');
  const listId = await database.withWorkspace(workspaceId, async (tx) => {
    const list = await findOrCreateList(tx, workspaceId, 'news');
    const emails = typeof people === 'number' ? Array.from({ length: people }, placeholder) : people;
    for (const [number, email] of emails.entries()) {
      const saved = await upsertContact(tx, workspaceId, { email, name: `Person ${number}` });
      if (saved.kind !== 'saved') throw new Error(saved.reason);
      await changeSubscription(tx, { workspaceId, listId: list, contactId: saved.id }, 'subscribe');
    }
    return list;
  });
  const campaignId = await createCampaign(database, workspaceId, {
    name: 'test',
    listIds: [listId],
    from: { name: 'Camp', email: 'news@camp.example' },
    template: { name: 'test.txt', body: `---\nsubject: ${newId()}\n---\n${template}` },
  });
  return { workspaceId, campaignId };
}

function placeholder(_: unknown, number: number): string {
  return `p${number}@city${number % 7}.example`;
}

export interface TestWorker {
  /** Drains, as SIGTERM does; resolves when nothing is left. */
  drain(): Promise<void>;
}

export function startTestWorker(
  databaseUrl: string,
  smtpUrl: string | undefined,
  settings: Record<string, string> = {},
): TestWorker {
  const env = {
    DATABASE_URL: databaseUrl,
    SMTP_URL: smtpUrl ?? '',
    CAMP_CONNECTIONS: '4',
    CAMP_RETRY_BASE_SECONDS: '1',
    // Debian's PgBouncer does not know named statements: so both ways are tested.
    CAMP_PREPARED_STATEMENTS: process.env.CAMP_TEST_PGBOUNCER ? 'off' : 'on',
    ...settings,
  };
  const scope = Scope.root('test worker');
  const config = { ...readConfig(env), databaseUrl };
  const run = runWorker({ config, log: createLog(process.env.CAMP_LOG_LEVEL ?? 'silent'), scope });
  return {
    async drain() {
      scope.cancel('drain');
      await run;
    },
  };
}

/** Looks until the condition holds; what is awaited is a state of the database, not a time. */
export async function until<T>(look: () => Promise<T | undefined | false>, what: string): Promise<T> {
  const deadline = performance.now() + WAIT_MS_MAX;
  while (performance.now() < deadline) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  throw new Error(`waited ${WAIT_MS_MAX} ms in vain for: ${what}`);
}

export function untilState(
  database: Database,
  campaign: TestCampaign,
  ...states: CampaignState[]
): Promise<CampaignStatus> {
  return until(
    async () => {
      const status = await campaignStatus(database, campaign, 'rows');
      return states.includes(status.campaign.state) && status;
    },
    `campaign ${states.join(' or ')}`,
  );
}

/** The states that have messages, to compare in one look. */
export function present(counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, n]) => n !== 0));
}

export async function startTestSink(): Promise<Sink> {
  const folder = await mkdtemp(join(tmpdir(), 'camp-sink-'));
  const sink = await startSink(folder);
  return {
    ...sink,
    async stop() {
      await sink.stop();
      await rm(folder, { recursive: true });
    },
  };
}
