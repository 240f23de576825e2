/** Compiled templates of the campaigns that this worker sends: a cache, made again from Postgres by any process. */
import { type CompiledMessage, compileMessage } from '../content/message.ts';
import { compileTemplate, loadTemplate } from '../content/template.ts';
import type { Signer } from '../content/tokens.ts';
import type { Database } from '../kernel/database.ts';
import * as queries from './queries.ts';

const CAMPAIGNS_MAX = 100;

export interface CampaignContent {
  envelopeFrom: string;
  message: CompiledMessage;
}

export interface CampaignContentsOptions {
  database: Database;
  signer: Signer;
  /** Origin of the links that readers follow. */
  trackingBase: string;
}

export class CampaignContents {
  readonly #options: CampaignContentsOptions;
  readonly #cache = new Map<string, CampaignContent>();

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
    if (this.#cache.has(of.campaignId)) return;
    const { database, signer, trackingBase } = this.#options;
    const row = await database.withWorkspace(of.workspaceId, (tx) => queries.campaignContent(tx, of));
    if (!row) throw new Error(`campaign ${of.campaignId} has messages and no row`);
    const content: CampaignContent = {
      envelopeFrom: row.fromEmail,
      message: compileMessage({
        template: compileTemplate(loadTemplate(row.templateName, row.templateBody)),
        ...of,
        from: { email: row.fromEmail, ...(row.fromName ? { name: row.fromName } : {}) },
        ...(row.replyTo ? { replyTo: { email: row.replyTo } } : {}),
        trackingBase,
        signer,
      }),
    };
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size < CAMPAIGNS_MAX) break;
      this.#cache.delete(oldest);
    }
    this.#cache.set(of.campaignId, content);
  }
}
