/**
 * The checklist before a campaign is sent: whether the mail would break what Gmail, Yahoo, Microsoft and the law ask of
 * bulk senders. Red blocks, amber asks a person; launch.ts heeds it.
 *
 * Mail that goes to a test server is a rehearsal: everything is checked all the same, and nothing is asked. Who sends
 * through a relay is not asked about a domain that was not added to Camp: then the relay signs, and Camp cannot see it.
 */

import { rulesOfAudience } from '../audience/audience-rules.ts';
import { estimateAudience } from '../audience/estimate.ts';
import { instant } from '../audience/queries-segments.ts';
import type { Config } from '../kernel/config.ts';
import type { Database, Tx } from '../kernel/database.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Secrets } from '../kernel/secrets.ts';
import { checkDomain, dkimKeysOf } from '../senders/domains.ts';
import { describeInstallation } from '../senders/installation.ts';
import { environmentRoute, routePlanOf } from '../senders/routes.ts';
import type { Resolver } from '../smtp/dns.ts';
import { type Checked, type ChecklistItem, people, type Verdict } from './checked.ts';
import { checkContent } from './checklist-content.ts';
import { checkFrom, checkRecords, isRehearsal } from './checklist-sender.ts';
import type { CampaignKey } from './queries.ts';
import * as queries from './queries-checklist.ts';
import { noSuchCampaign } from './refused.ts';
import type { TemplateWorker } from './template-work.ts';

export interface Checklist {
  items: ChecklistItem[];
  /** The worst of the items. */
  verdict: Verdict;
  isRehearsal: boolean;
  /** Whether Camp signs the mail. */
  isSigned: boolean;
}

export interface Surroundings {
  scope: Scope;
  database: Database;
  secrets: Secrets;
  resolver: Resolver;
  config: Config;
  work: TemplateWorker;
}

export async function checkBeforeSending(around: Surroundings, of: CampaignKey): Promise<Checklist> {
  const checked = await gather(around, of);
  const { database } = around;
  const installation = await describeInstallation(database, around.config);
  const domain = await checkDomain(
    { ...around, workspaceId: of.workspaceId, installation },
    checked.fromDomain,
  );
  const rehearsal = isRehearsal(checked);
  const items = [
    audienceItem(checked),
    checkFrom(checked, rehearsal),
    ...checkRecords(checked, domain),
    ...(await checkContent(around, checked)),
  ];
  const verdict = (['red', 'amber'] as const).find((worst) => items.some((item) => item.verdict === worst));
  const isSigned = checked.dkimKeys.length > 0 || (domain.kind === 'checked' && domain.activated.length > 0);
  return { items, verdict: verdict ?? 'green', isRehearsal: rehearsal, isSigned };
}

function gather({ database, secrets, config, scope }: Surroundings, of: CampaignKey): Promise<Checked> {
  const { workspaceId } = of;
  const look = async (tx: Tx): Promise<Checked> => {
    const campaign = await queries.campaignToCheck(tx, of);
    if (!campaign) throw noSuchCampaign(of);
    const fromDomain = campaign.fromEmail.slice(campaign.fromEmail.lastIndexOf('@') + 1);
    const plan = await routePlanOf(tx, secrets, workspaceId, fromDomain, environmentRoute(config));
    const asked = {
      ...campaign,
      workspaceId,
      at: await instant(tx),
      ...(await rulesOfAudience(tx, workspaceId, campaign)),
    };
    return {
      ...of,
      ...campaign,
      fromDomain,
      audience: (await estimateAudience(tx, workspaceId, campaign)).recipients,
      asked,
      sample: await queries.sampleContact(tx, asked),
      routes: plan.levels.flat(),
      dkimKeys: await dkimKeysOf(tx, secrets, workspaceId, fromDomain),
      config,
    };
  };
  return database.readWorkspace(workspaceId, look, scope);
}

function audienceItem({ audience }: Checked): ChecklistItem {
  if (audience > 0)
    return { id: 'audience', verdict: 'green', sentence: `It goes to ${people(audience)}.`, fix: null };
  return {
    id: 'audience',
    verdict: 'red',
    sentence: 'Nobody is subscribed to its lists.',
    fix: 'Import contacts onto one of them, or make the campaign for another list.',
  };
}
