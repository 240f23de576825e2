/** How many people an audience is, before it is frozen: by the freeze's own rules (freeze.ts). */
import type { Tx } from '../kernel/database.ts';
import { type AudienceEstimate, countAudience, instant } from './queries-segments.ts';
import { rulesOfSegments } from './segments.ts';

export interface Audience {
  listIds: readonly string[];
  segmentIds: readonly string[];
  excludedListIds: readonly string[];
  excludedSegmentIds: readonly string[];
}

/** Exact, as of now. Throws AudienceRefused when a segment is not there. To be asked under a deadline. */
export async function estimateAudience(
  tx: Tx,
  workspaceId: string,
  { listIds, segmentIds, excludedListIds, excludedSegmentIds }: Audience,
): Promise<AudienceEstimate & { asOf: Date }> {
  const at = await instant(tx);
  const asked = {
    listIds,
    segments: await rulesOfSegments(tx, workspaceId, segmentIds),
    excludedListIds,
    excludedSegments: await rulesOfSegments(tx, workspaceId, excludedSegmentIds),
  };
  return { ...(await countAudience(tx, { workspaceId, at }, asked)), asOf: at };
}
