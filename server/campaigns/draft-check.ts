/**
 * What must be true before a campaign is made: its template can be compiled, a render of it ends, and what it cannot
 * do without is known of somebody on its lists. A draft that could never be sent well is not kept. What else there is to
 * know before it is sent is in checklist.ts.
 */
import { recipientData } from '../content/message.ts';
import {
  type CompiledTemplate,
  compileTemplate,
  loadTemplate,
  type TemplateField,
} from '../content/template.ts';
import { RenderLimit } from '../content/template-error.ts';
import type { Database } from '../kernel/database.ts';
import * as queries from './queries.ts';

/** A campaign that would read wrongly to everybody. One sentence for the user. */
export class CampaignUnsendable extends Error {
  override readonly name = 'CampaignUnsendable';
}

export interface CampaignPlan {
  listIds: string[];
  /** Who these describe may be on any list. */
  segmentIds?: string[];
  /** File name (its extension says MJML, HTML or text) and content. */
  template: { name: string; body: string };
  postalAddress?: string | undefined;
}

/** Throws TemplateError or CampaignUnsendable. */
export async function checkDraft(database: Database, workspaceId: string, plan: CampaignPlan): Promise<void> {
  const template = compileTemplate(loadTemplate(plan.template.name, plan.template.body));
  renderOnce(template);
  const wantsAddress = template.fields.find(({ path, optional }) => path === POSTAL_ADDRESS && !optional);
  if (wantsAddress && plan.postalAddress === undefined)
    throw new CampaignUnsendable(
      `${wantsAddress.file} line ${wantsAddress.line}: there is no postal address to print; say --postal-address "…", or set CAMP_POSTAL_ADDRESS.`,
    );
  const wanted = requiredAttributes(template);
  if (wanted.size === 0) return;
  const listIds = plan.segmentIds?.length ? null : plan.listIds;
  const present = await database.withWorkspace(workspaceId, (tx) =>
    queries.attributesPresent(tx, workspaceId, listIds, [...wanted.keys()]),
  );
  for (const [attribute, field] of wanted)
    if (!present.has(attribute))
      throw new CampaignUnsendable(
        `${field.file} line ${field.line}: nobody who is subscribed has "${field.path}"; give it a default ({{ ${field.path} | default: "…" }}), or import a column for it.`,
      );
}

/** The limits of a render bite here rather than for every recipient. */
function renderOnce(template: CompiledTemplate): void {
  const attributes = Object.fromEntries(
    [...requiredAttributes(template).keys()].map((name) => [name, 'sample']),
  );
  const contact = { email: 'sample@example.com', name: 'Sample Person', attributes };
  try {
    template.render(recipientData(contact, 'https://example.com/unsubscribe'));
  } catch (error) {
    if (error instanceof RenderLimit) throw new CampaignUnsendable(`${template.file}: ${error.message}.`);
    throw error;
  }
}

const POSTAL_ADDRESS = 'postal_address';
/** What every contact has, whatever was imported. */
const BUILT_IN = new Set(['email', 'name', 'first_name', 'unsubscribe_url', POSTAL_ADDRESS, 'contact']);

/** By attribute, the field that needs it. */
function requiredAttributes(template: CompiledTemplate): Map<string, TemplateField> {
  const wanted = new Map<string, TemplateField>();
  for (const field of template.fields) {
    const attribute = field.path.replace(/^contact\./, '').split('.', 1)[0] ?? '';
    if (!field.optional && !BUILT_IN.has(attribute) && !wanted.has(attribute)) wanted.set(attribute, field);
  }
  return wanted;
}
