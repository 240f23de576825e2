/** What can be watched, who may, and what is seen of it: one look a second, each a statement or two. */
import type { Scope as Permission } from '../accounts/roles.ts';
import { findImport } from '../audience/queries-imports.ts';
import { liveCampaign, liveCampaigns, liveQueue } from '../campaigns/queries-live.ts';
import type { Tx } from '../kernel/database.ts';

const CAMPAIGNS_SHOWN = 50;
/** A rate is that of so many looks. */
const RATE_LOOKS = 10;

export type View = { readonly [name: string]: unknown };

export interface Topic {
  name: string;
  scope: Permission;
  /** Undefined: there is no such thing. */
  look(tx: Tx, workspaceId: string): Promise<View | undefined>;
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
export const TOPIC_PATTERN = `^(campaigns|queue|campaign:${UUID}|imports:${UUID})$`;

/** `name` fits TOPIC_PATTERN. A topic remembers what it saw, for its rates: one for each place that looks. */
export function topicOf(name: string): Topic {
  const [kind, id = ''] = name.split(':');
  switch (kind) {
    case 'campaign':
      return { name, scope: 'campaigns:read', look: watchCampaign(id) };
    case 'campaigns':
      return { name, scope: 'campaigns:read', look: seeCampaigns };
    case 'imports':
      return { name, scope: 'contacts:read', look: (tx, workspaceId) => seeImport(tx, workspaceId, id) };
    default:
      return { name, scope: 'messages:read', look: seeQueue };
  }
}

function watchCampaign(campaignId: string): Topic['look'] {
  const seen: { at: number; accepted: number }[] = [];
  return async (tx, workspaceId) => {
    const campaign = await liveCampaign(tx, { workspaceId, campaignId });
    if (!campaign) return undefined;
    const { startedAt, finishedAt, ...shown } = campaign;
    seen.push({ at: performance.now(), accepted: campaign.counts.accepted ?? 0 });
    if (seen.length > RATE_LOOKS) seen.shift();
    return {
      ...shown,
      started_at: startedAt?.toISOString() ?? null,
      finished_at: finishedAt?.toISOString() ?? null,
      accepted_per_minute: rateOf(seen),
    };
  };
}

function rateOf(seen: readonly { at: number; accepted: number }[]): number {
  const [first, last] = [seen[0], seen.at(-1)];
  if (!first || !last || first === last) return 0;
  return Math.max(0, Math.round(((last.accepted - first.accepted) / (last.at - first.at)) * 60_000));
}

/** By id, the newest. */
async function seeCampaigns(tx: Tx, workspaceId: string): Promise<View> {
  const rows = await liveCampaigns(tx, workspaceId, CAMPAIGNS_SHOWN);
  return { by_id: Object.fromEntries(rows.map(({ id, ...shown }) => [id, shown])) };
}

async function seeQueue(tx: Tx, workspaceId: string): Promise<View> {
  const rows = await liveQueue(tx, workspaceId);
  const count = (state: string) => rows.find((row) => row.state === state)?.n ?? 0;
  return {
    queued: count('queued'),
    deferred: count('deferred'),
    under_way: count('claimed') + count('committing'),
  };
}

async function seeImport(tx: Tx, workspaceId: string, importId: string): Promise<View | undefined> {
  const row = await findImport(tx, workspaceId, importId);
  if (!row) return undefined;
  return {
    state: row.state,
    records_done: row.recordsDone,
    bytes_done: row.bytesDone,
    bytes_total: row.bytesTotal,
    created: row.created,
    updated: row.updated,
    unchanged: row.unchanged,
    duplicates: row.duplicates,
    rejected: row.rejected,
    error: row.error,
    finished_at: row.finishedAt?.toISOString() ?? null,
  };
}
