/**
 * What sending a campaign takes beside its messages: its compiled template, the keys that sign for its sender, and the
 * ways out. A cache, made again from Postgres by any process. The template never changes; keys and ways may, and are
 * read again every few seconds.
 */
import { type CompiledMessage, compileMessage } from '../content/message.ts';
import { compileTemplate, loadTemplate } from '../content/template.ts';
import { createSigner, type Signer } from '../content/tokens.ts';
import { transactionalMessages } from '../content/transactional.ts';
import { domainOf } from '../delivery/destination.ts';
import type { Database } from '../kernel/database.ts';
import type { Secrets } from '../kernel/secrets.ts';
import { dkimKeysOf } from '../senders/domains.ts';
import { type Route, type RoutePlan, routePlanOf } from '../senders/routes.ts';
import type { DkimKey } from '../smtp/dkim.ts';
import * as queries from './queries.ts';
import { planHere } from './ways.ts';

const CAMPAIGNS_MAX = 1_000;
const SENDER_MS_MAX = 10_000;

export interface CampaignContent {
  envelopeFrom: string;
  message: CompiledMessage;
  giveUpMs: number;
  /** Messages of their own, one at a time, before all others. */
  isTransactional: boolean;
  dkimKeys: readonly DkimKey[];
  plan: RoutePlan;
}

interface Cached extends CampaignContent {
  /** Monotonic. */
  senderReadAt: number;
}

interface Signing {
  signer: Signer;
  /** Origin of the links that readers follow. */
  trackingBase: string;
}

export interface CampaignContentsOptions extends Signing {
  database: Database;
  secrets: Secrets;
  /** The way out of a sender that has no route of its own; null: its mail waits. */
  fallback: Route | null;
}

export class CampaignContents {
  readonly #options: CampaignContentsOptions;
  readonly #cache = new Map<string, Cached>();

  constructor(options: CampaignContentsOptions) {
    this.#options = options;
  }

  get(campaignId: string): CampaignContent | undefined {
    return this.#cache.get(campaignId);
  }

  /**
   * Compiles a campaign's template once. Throws what `compileMessage` throws: a template that this version refuses was
   * accepted by another when the campaign was made.
   */
  async load(of: queries.CampaignKey): Promise<void> {
    const cached = this.#cache.get(of.campaignId);
    if (!cached) return this.#compile(of);
    // The one that was used longest ago is the first to go.
    this.#cache.delete(of.campaignId);
    this.#cache.set(of.campaignId, cached);
    if (performance.now() - cached.senderReadAt < SENDER_MS_MAX) return;
    Object.assign(cached, await this.#readSender(of.workspaceId, cached.envelopeFrom));
  }

  async #compile(of: queries.CampaignKey): Promise<void> {
    const { database, signer, trackingBase } = this.#options;
    const row = await database.withWorkspace(of.workspaceId, (tx) => queries.campaignContent(tx, of));
    if (!row) throw new Error(`campaign ${of.campaignId} has messages and no row`);
    const isTransactional = row.kind === 'transactional';
    const message = isTransactional
      ? transactionalMessages(of, signer)
      : compileContent(of, row, { signer, trackingBase });
    const sender = await this.#readSender(of.workspaceId, row.fromEmail);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size < CAMPAIGNS_MAX) break;
      this.#cache.delete(oldest);
    }
    const giveUpMs = row.giveUpSeconds * 1_000;
    this.#cache.set(of.campaignId, {
      envelopeFrom: row.fromEmail,
      message,
      giveUpMs,
      isTransactional,
      ...sender,
    });
  }

  async #readSender(workspaceId: string, fromEmail: string) {
    const { database, secrets, fallback } = this.#options;
    const domain = domainOf(fromEmail);
    return database.withWorkspace(workspaceId, async (tx) => ({
      dkimKeys: await dkimKeysOf(tx, secrets, workspaceId, domain),
      plan: planHere(await routePlanOf(tx, secrets, workspaceId, domain, fallback)),
      senderReadAt: performance.now(),
    }));
  }
}

/** Throws TemplateError or SenderError: no message of the campaign could be made. */
export function compileContent(
  of: queries.CampaignKey,
  row: Omit<queries.CampaignContentRow, 'giveUpSeconds' | 'kind'>,
  { signer, trackingBase }: Signing,
): CompiledMessage {
  return compileMessage({
    template: compileTemplate(loadTemplate(row.templateName, row.templateBody)),
    ...of,
    from: { email: row.fromEmail, name: row.fromName ?? undefined },
    replyTo: row.replyTo === null ? undefined : { email: row.replyTo },
    postalAddress: row.postalAddress ?? undefined,
    trackingBase,
    signer,
  });
}

/** For a check: neither the secret nor the origin of the links can make the difference. */
export const CHECK: Signing = { signer: createSigner('check'), trackingBase: 'https://check.example' };
