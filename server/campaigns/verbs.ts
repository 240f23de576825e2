/**
 * What a person can do with a campaign, as data: in which states each verb is possible, and how a refusal says it. The moves
 * that these make are in states.ts; a test holds both tables together.
 */
import { CAMPAIGN_STATES, type CampaignState, statesBefore } from './states.ts';

interface VerbRow {
  /** `Campaign X is paused and cannot be sent`. */
  done: string;
  from: readonly CampaignState[];
}

const UNDER_WAY: readonly CampaignState[] = [
  'scheduled',
  'starting',
  'sending',
  'holding',
  'paused',
  'finishing',
];

export const CAMPAIGN_VERBS = {
  edit: { done: 'changed', from: ['draft'] },
  /** Now. */
  send: { done: 'sent', from: ['draft', 'scheduled'] },
  schedule: { done: 'scheduled', from: ['draft'] },
  /** Back to a draft, to be changed and sent again: nobody has got anything yet. */
  revise: { done: 'revised', from: statesBefore('draft') },
  pause: { done: 'paused', from: statesBefore('paused') },
  resume: { done: 'resumed', from: ['paused'] },
  /** On to the next stage. */
  continue: { done: 'continued', from: ['holding'] },
  /** How many an hour. */
  pace: { done: 'slowed down or sped up', from: UNDER_WAY },
  /** At which times of the week. */
  window: { done: 'given another window', from: UNDER_WAY },
  cancel: { done: 'cancelled', from: statesBefore('cancelled') },
  delete: { done: 'deleted', from: ['draft'] },
  duplicate: { done: 'duplicated', from: CAMPAIGN_STATES },
  /** To addresses that somebody names. */
  test: { done: 'tried out', from: CAMPAIGN_STATES },
} as const satisfies Record<string, VerbRow>;

export type CampaignVerb = keyof typeof CAMPAIGN_VERBS;

export const VERB_NAMES = Object.keys(CAMPAIGN_VERBS) as CampaignVerb[];

export function statesFor(verb: CampaignVerb): CampaignState[] {
  return [...CAMPAIGN_VERBS[verb].from];
}

export function isPossible(verb: CampaignVerb, state: CampaignState): boolean {
  return statesFor(verb).includes(state);
}
