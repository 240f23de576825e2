/** Compiled templates of the campaigns that this worker sends: a cache, made again from Postgres by any process. */
import { type CompiledMessage, compileMessage } from '../content/message.ts';
import { compileTemplate, loadTemplate } from '../content/template.ts';
import { createSigner, type Signer } from '../content/tokens.ts';
import type { Database } from '../kernel/database.ts';
import * as queries from './queries.ts';

const CAMPAIGNS_MAX = 100;

export interface CampaignContent {
  envelopeFrom: string;
  message: CompiledMessage;
}

interface Signing {
  signer: Signer;
  /** Origin of the links that readers follow. */
  trackingBase: string;
}

export interface CampaignContentsOptions extends Signing {
  database: Database;
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
    const message = compileContent(of, row, { signer, trackingBase });
    const content = { envelopeFrom: row.fromEmail, message };
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size < CAMPAIGNS_MAX) break;
      this.#cache.delete(oldest);
    }
    this.#cache.set(of.campaignId, content);
  }
}

/** Throws TemplateError or SenderError: no message of the campaign could be made. */
export function compileContent(
  of: queries.CampaignKey,
  row: queries.CampaignContentRow,
  { signer, trackingBase }: Signing,
): CompiledMessage {
  return compileMessage({
    template: compileTemplate(loadTemplate(row.templateName, row.templateBody)),
    ...of,
    from: { email: row.fromEmail, name: row.fromName ?? undefined },
    replyTo: row.replyTo === null ? undefined : { email: row.replyTo },
    trackingBase,
    signer,
  });
}

/** For a check: neither the secret nor the origin of the links can make the difference. */
export const CHECK: Signing = { signer: createSigner('check'), trackingBase: 'https://check.example' };
