/**
 * Drafts: made, changed, copied and thrown away. What a draft says is kept with it, its template too: whoever changes a
 * template later changes no campaign. After this: campaign.ts#send.
 */
import type { Database, Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { CHECK, compileContent } from '../queue/campaign-content.ts';
import { lockFor } from './campaign.ts';
import * as queries from './queries.ts';
import { noSuchCampaign } from './refused.ts';

export interface NewCampaign {
  name: string;
  listIds: string[];
  segmentIds?: string[];
  excludedListIds?: string[];
  excludedSegmentIds?: string[];
  from: { name?: string; email: string };
  replyTo?: string;
  /** File name (its extension says MJML, HTML or text) and content. */
  template: { name: string; body: string };
  giveUpSeconds?: number;
  /** For {{ postal_address }}. */
  postalAddress?: string | undefined;
}

export const GIVE_UP_SECONDS = 2 * 86_400;

/** Throws TemplateError or SenderError when it could never be sent: such a draft is not kept. */
export async function createCampaign(
  database: Database,
  workspaceId: string,
  campaign: NewCampaign,
): Promise<string> {
  const of = { workspaceId, campaignId: newId() };
  const draft = {
    name: campaign.name,
    listIds: campaign.listIds,
    segmentIds: campaign.segmentIds ?? [],
    excludedListIds: campaign.excludedListIds ?? [],
    excludedSegmentIds: campaign.excludedSegmentIds ?? [],
    templateName: campaign.template.name,
    templateBody: campaign.template.body,
    fromName: campaign.from.name ?? null,
    fromEmail: campaign.from.email,
    replyTo: campaign.replyTo ?? null,
    postalAddress: campaign.postalAddress ?? null,
    giveUpSeconds: campaign.giveUpSeconds ?? GIVE_UP_SECONDS,
  };
  compileContent(of, draft, CHECK);
  await database.withWorkspace(workspaceId, (tx) => queries.insertCampaign(tx, of, draft));
  return of.campaignId;
}

/** The caller has had its content checked (template-thread.ts). Gives the draft's id. */
export async function createDraft(tx: Tx, workspaceId: string, draft: queries.DraftRow): Promise<string> {
  const of = { workspaceId, campaignId: newId() };
  await queries.insertCampaign(tx, of, draft);
  return of.campaignId;
}

/** The draft as it is, which nobody else changes until the transaction ends. Throws CampaignRefused. */
export async function lockDraft(tx: Tx, of: queries.CampaignKey): Promise<queries.CampaignDetail> {
  await lockFor(tx, of, 'edit');
  return findDetail(tx, of);
}

/** Throws CampaignRefused. */
export async function deleteDraft(tx: Tx, of: queries.CampaignKey): Promise<void> {
  await lockFor(tx, of, 'delete');
  await queries.deleteDraft(tx, of);
}

/** A draft that says the same; gives its id. Throws CampaignRefused. */
export async function duplicate(tx: Tx, of: queries.CampaignKey, name?: string): Promise<string> {
  const source = await findDetail(tx, of);
  return createDraft(tx, of.workspaceId, { ...source, name: name ?? `${source.name} (copy)` });
}

/** Throws CampaignRefused. */
export async function findDetail(tx: Tx, of: queries.CampaignKey): Promise<queries.CampaignDetail> {
  const detail = await queries.findCampaignDetail(tx, of);
  if (!detail) throw noSuchCampaign(of);
  return detail;
}
