/** A template as a recipient with these data reads it, and what its author should know of it. */
import { recipientData } from './message.ts';
import {
  compileTemplate,
  type RenderedTemplate,
  type TemplateField,
  type TemplateSource,
} from './template.ts';

export interface Preview extends RenderedTemplate {
  /** Fields that the template cannot do without and the data do not have. They are rendered as nothing. */
  missing: TemplateField[];
  /** Whether it prints {{ unsubscribe_url }}. */
  hasUnsubscribeLink: boolean;
}

/** What a preview says of the campaign. */
export interface PreviewSurroundings {
  unsubscribeUrl: string;
  postalAddress: string | undefined;
}

/** `data`: of one contact: email, name, and attributes. Throws TemplateError and RenderLimit. */
export function previewTemplate(
  source: TemplateSource,
  data: Record<string, unknown>,
  surroundings: PreviewSurroundings,
): Preview {
  const template = compileTemplate(source);
  const seen = contactData(data, surroundings);
  return {
    ...template.render(seen),
    missing: template.missingFields(seen),
    hasUnsubscribeLink: template.fields.some(({ path }) => path === 'unsubscribe_url'),
  };
}

/** As a campaign would see this contact; what the data say outright wins. */
function contactData(
  data: Record<string, unknown>,
  { unsubscribeUrl, postalAddress }: PreviewSurroundings,
): Record<string, unknown> {
  const { email, name, ...attributes } = data;
  const contact = {
    email: typeof email === 'string' ? email : 'recipient@example.com',
    name: typeof name === 'string' ? name : null,
    attributes,
  };
  const seen = recipientData(contact, unsubscribeUrl, postalAddress);
  const own = isObject(data.contact) ? data.contact : {};
  return { ...seen, ...data, contact: { ...contactOf(seen), ...own } };
}

function contactOf({ contact }: Record<string, unknown>): Record<string, unknown> {
  return isObject(contact) ? contact : {};
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
