/** What the parts of the checklist know of a campaign, and what they say of it. */
import type { Config } from '../kernel/config.ts';
import type { Route } from '../senders/routes.ts';
import type { DkimKey } from '../smtp/dkim.ts';
import type { CampaignKey } from './queries.ts';
import type { AskedAudience, CheckedCampaignRow, SampleContact } from './queries-checklist.ts';

export interface Checked extends CampaignKey, CheckedCampaignRow {
  fromDomain: string;
  audience: number;
  asked: AskedAudience;
  /** One of the audience. */
  sample: SampleContact | undefined;
  /** Of all levels of the sender's route. */
  routes: readonly Route[];
  /** What Camp signs with; empty: it does not. */
  dkimKeys: readonly DkimKey[];
  config: Config;
}

export type Verdict = 'green' | 'amber' | 'red';

export interface ChecklistItem {
  /** A word that stays: `dmarc`, `postal-address`. */
  id: string;
  verdict: Verdict;
  sentence: string;
  /** What to do; null: nothing. */
  fix: string | null;
}

/** `1 person`, `1,234 people`. */
export function people(count: number): string {
  return count === 1 ? '1 person' : `${count.toLocaleString('en')} people`;
}
