/**
 * What a dead worker's messages mean. `claimed` goes back to the queue: the dot was not sent, so it cannot have been
 * accepted. `committing` becomes `uncertain`: the dot may have been sent, and is not sent twice.
 */
import type { Tx } from '../kernel/database.ts';
import { wakeLane } from '../kernel/queries.ts';
import { recordEvents } from '../outcomes/record.ts';
import { Moves } from '../stats/counters.ts';
import * as queries from './queries.ts';

const RECOVERY_SHARD = 0;

export async function recoverMessagesOf(tx: Tx, workspaceId: string, deadWorkerId: string): Promise<void> {
  const rows = await queries.recoverMessages(tx, workspaceId, deadWorkerId);
  const byCampaign = Map.groupBy(rows, (row) => row.campaignId);
  const moved = [...byCampaign.keys()].sort().map((campaignId) => {
    const campaign = { workspaceId, campaignId };
    return { campaign, moves: explain(tx, campaign, byCampaign.get(campaignId) ?? []) };
  });
  Moves.writeAll(tx, moved, RECOVERY_SHARD);
}

function explain(tx: Tx, of: queries.CampaignKey, rows: queries.RecoveredRow[]): Moves {
  const moves = new Moves();
  for (const row of rows) moves.move(row.state === 'uncertain' ? 'committing' : 'claimed', row.state);
  recordEvents(tx, of.workspaceId, of.campaignId, rows.flatMap(uncertainty));
  const lanes = new Set(rows.filter((row) => row.state !== 'uncertain').map((row) => row.lane));
  for (const number of [...lanes].sort((a, b) => a - b))
    wakeLane(tx, { workspaceId: of.workspaceId, queue: 'message', key: of.campaignId, number }, 0);
  return moves;
}

function uncertainty(row: queries.RecoveredRow) {
  if (row.state !== 'uncertain') return [];
  return [
    {
      contactId: row.contactId,
      email: row.email,
      kind: 'uncertain',
      attempt: row.attempt,
      detail: 'the worker died between the mark and the answer to the final dot',
      rule: 'worker-died',
      trouble: null,
      metAt: null,
    },
  ];
}
