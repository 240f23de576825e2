/** What cannot be done with a campaign, as one sentence for the user. */
import type { Tx } from '../kernel/database.ts';
import * as queries from './queries.ts';
import { CAMPAIGN_VERBS, type CampaignVerb, isPossible, statesFor, VERB_NAMES } from './verbs.ts';

/** `state`: not now; `plan`: not like that. */
export type CampaignRefusal = 'not-found' | 'state' | 'plan';

/** A verb that the campaign's state or its plan does not allow, or a campaign that is not there. */
export class CampaignRefused extends Error {
  override readonly name = 'CampaignRefused';
  readonly code: CampaignRefusal;

  constructor(code: CampaignRefusal, message: string) {
    super(message);
    this.code = code;
  }
}

export async function findOrRefuse(tx: Tx, of: queries.CampaignKey): Promise<queries.CampaignRow> {
  const campaign = await queries.findCampaign(tx, of);
  if (!campaign) throw noSuchCampaign(of);
  return campaign;
}

export function noSuchCampaign({ campaignId }: queries.CampaignKey): CampaignRefused {
  return new CampaignRefused(
    'not-found',
    `There is no campaign ${campaignId} in this workspace. List them with \`camp campaign list\`.`,
  );
}

/** Says which state it is in, when the verb is possible, and what is possible now. */
export function refusedInState(
  { id, name, state }: Pick<queries.CampaignRow, 'id' | 'name' | 'state'>,
  verb: CampaignVerb,
): CampaignRefused {
  const { done } = CAMPAIGN_VERBS[verb];
  const possible = VERB_NAMES.filter((other) => isPossible(other, state)).map(
    (other) => CAMPAIGN_VERBS[other].done,
  );
  return new CampaignRefused(
    'state',
    `Campaign "${name}" (${id}) is ${state} and cannot be ${done}: that is possible while it is ${list(statesFor(verb))}. Now it can be ${list(possible)}.`,
  );
}

function list(words: readonly string[]): string {
  return [words.slice(0, -1).join(', '), words.at(-1)].filter(Boolean).join(' or ');
}
