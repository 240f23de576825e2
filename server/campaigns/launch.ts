/**
 * Launch: the checklist, what a person says to it, and then the send. A red item blocks unless it is forced, and that is
 * written down with who did it; amber items want a yes.
 */
import { sendCampaign } from './campaign.ts';
import type { ChecklistItem } from './checked.ts';
import { type Checklist, checkBeforeSending, type Surroundings } from './checklist.ts';
import type { SendPlan } from './plan.ts';
import type { CampaignKey } from './queries.ts';

export interface Consent {
  /** Red items, and with them amber ones, do not block. */
  force: boolean;
  /** Who forces it. */
  by: string;
  /** Asked when there are amber items and nothing red. */
  confirm(items: ChecklistItem[]): Promise<boolean>;
}

export type LaunchOutcome =
  | { kind: 'sent'; checklist: Checklist }
  | { kind: 'refused'; items: ChecklistItem[] }
  | { kind: 'unconfirmed'; items: ChecklistItem[] };

/** Throws CampaignRefused when the campaign's state or the plan does not allow it. */
export async function launch(
  around: Surroundings,
  of: CampaignKey,
  plan: SendPlan,
  consent: Consent,
): Promise<LaunchOutcome> {
  const checklist = await checkBeforeSending(around, of);
  const found = (verdict: ChecklistItem['verdict']) =>
    checklist.isRehearsal ? [] : checklist.items.filter((item) => item.verdict === verdict);
  const [red, amber] = [found('red'), found('amber')];
  if (red.length > 0 && !consent.force) return { kind: 'refused', items: [...red, ...amber] };
  if (amber.length > 0 && !consent.force && !(await consent.confirm(amber)))
    return { kind: 'unconfirmed', items: amber };
  const override =
    red.length > 0 ? { by: consent.by, items: red.map(({ id, sentence }) => ({ id, sentence })) } : null;
  await sendCampaign(around.database, of, plan, override);
  return { kind: 'sent', checklist };
}
