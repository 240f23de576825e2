/**
 * Launch: the checklist, what a person says to it, and then the send. A red item blocks unless it is forced, and that is
 * written down with who did it; amber items want a yes.
 */
import type { Tx } from '../kernel/database.ts';
import { holdSigner } from '../senders/domains.ts';
import { assertPossible, send, verbOf } from './campaign.ts';
import type { ChecklistItem } from './checked.ts';
import { type Checklist, checkBeforeSending, type Surroundings } from './checklist.ts';
import { findDetail } from './draft.ts';
import { checkPlan, type SendPlan } from './plan.ts';
import type { CampaignDetail, CampaignKey } from './queries.ts';
import { CampaignRefused } from './refused.ts';

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

/**
 * `also` runs in the transaction that sends it: what belongs to the send is kept, or not, with it. Throws CampaignRefused
 * when the campaign's state or the plan does not allow it.
 */
export async function launch(
  around: Surroundings,
  of: CampaignKey,
  plan: SendPlan,
  consent: Consent,
  also: (tx: Tx) => Promise<void> = async () => {},
): Promise<LaunchOutcome> {
  checkPlan(plan);
  const look = async (tx: Tx) => {
    await assertPossible(tx, of, verbOf(plan));
    return findDetail(tx, of);
  };
  const { version } = await around.database.readWorkspace(of.workspaceId, look, around.scope);
  const checklist = await checkBeforeSending(around, of);
  const found = (verdict: ChecklistItem['verdict']) =>
    checklist.isRehearsal ? [] : checklist.items.filter((item) => item.verdict === verdict);
  const [red, amber] = [found('red'), found('amber')];
  if (red.length > 0 && !consent.force) return { kind: 'refused', items: [...red, ...amber] };
  if (amber.length > 0 && !consent.force && !(await consent.confirm(amber)))
    return { kind: 'unconfirmed', items: amber };
  const override =
    red.length > 0 ? { by: consent.by, items: red.map(({ id, sentence }) => ({ id, sentence })) } : null;
  const work = async (tx: Tx) => {
    await send(tx, of, plan, override);
    const sent = await findDetail(tx, of);
    if (sent.version !== version) throw changedMeanwhile(sent.name);
    if (checklist.isSigned && !consent.force) await assertSigned(tx, of, sent);
    await also(tx);
  };
  await around.database.withWorkspace(of.workspaceId, work, around.scope);
  return { kind: 'sent', checklist };
}

/** Of the domain that signs, too: from now on it is not removed, because a campaign that is under way needs it. */
async function assertSigned(tx: Tx, { workspaceId }: CampaignKey, { name, fromEmail }: CampaignDetail) {
  const fromDomain = fromEmail.slice(fromEmail.lastIndexOf('@') + 1).toLowerCase();
  if (await holdSigner(tx, workspaceId, fromDomain)) return;
  throw new CampaignRefused(
    'state',
    `The domain that signs for ${fromDomain} was removed while the checklist looked at campaign "${name}": add it again, or send all the same with force.`,
  );
}

/** What the checklist looked at is what is sent. */
function changedMeanwhile(name: string): CampaignRefused {
  return new CampaignRefused(
    'state',
    `Campaign "${name}" was changed while the checklist looked at it: look at what it says now, and send it again.`,
  );
}
