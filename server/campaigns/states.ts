/**
 * A campaign's life, as data: from each state the states that may follow, and who moves it. The CHECK constraint of the
 * table and the diagram in ARCHITECTURE.md are tested against this. `finished` is derived from zero unfinished
 * messages, never from a cursor that reached its end.
 */

export const CAMPAIGN_MOVES = {
  /** Being written. */
  draft: ['scheduled', 'starting', 'cancelled'],
  /** Waits for its time. */
  scheduled: ['starting', 'draft', 'cancelled'],
  /** Its audience is being frozen into messages. */
  starting: ['sending', 'paused', 'cancelled', 'failed'],
  /** Messages are being tried for the first time. */
  sending: ['holding', 'finishing', 'paused', 'cancelled', 'finished'],
  /** A stage was tried; the next one waits for its time, or for a person. */
  holding: ['starting', 'paused', 'cancelled'],
  paused: ['starting', 'sending', 'cancelled'],
  /** Every message was tried; some wait for another try, or for an answer. */
  finishing: ['finished', 'sending', 'paused', 'cancelled'],
  /** No message is unfinished. */
  finished: [],
  /** Messages that waited are cancelled; what was on the wire ends as it ends. */
  cancelled: [],
  /** It could not start; the reason is in `failure`. */
  failed: ['draft'],
} as const satisfies Record<string, readonly string[]>;

export type CampaignState = keyof typeof CAMPAIGN_MOVES;

export const CAMPAIGN_STATES = Object.keys(CAMPAIGN_MOVES) as CampaignState[];

/** States from which a campaign may move to `to`: the guard of every UPDATE. */
export function statesBefore(to: CampaignState): CampaignState[] {
  return CAMPAIGN_STATES.filter((from) => (CAMPAIGN_MOVES[from] as readonly string[]).includes(to));
}
