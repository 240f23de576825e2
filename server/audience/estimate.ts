/** How many people an audience is, before it is frozen: by the freeze's own rules (freeze.ts). */
import type { Tx } from '../kernel/database.ts';
import { type AudienceSegments, rulesOfAudience } from './audience-rules.ts';
import { type AudienceEstimate, countAudience, instant } from './queries-segments.ts';

export interface Audience extends AudienceSegments {
  listIds: readonly string[];
  excludedListIds: readonly string[];
}

/** Exact, as of now. Throws AudienceRefused as rulesOfAudience does. To be asked under a deadline. */
export async function estimateAudience(
  tx: Tx,
  workspaceId: string,
  audience: Audience,
): Promise<AudienceEstimate & { asOf: Date }> {
  const at = await instant(tx);
  const { listIds, excludedListIds } = audience;
  const asked = { listIds, excludedListIds, ...(await rulesOfAudience(tx, workspaceId, audience)) };
  return { ...(await countAudience(tx, { workspaceId, at }, asked)), asOf: at };
}
