/** The campaign of the bench, and one of its mails as it goes over the wire: the others send that one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import PostalMime from 'postal-mime';
import { compileMessage } from '../server/content/message.ts';
import { compileTemplate, loadTemplate } from '../server/content/template.ts';
import { createSigner } from '../server/content/tokens.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../server/kernel/ids.ts';

export const SENDER = { name: 'Green Mill Farm', email: 'news@greenmill.example' };

export const TEMPLATE = {
  name: 'mail.liquid',
  body: readFileSync(join(import.meta.dirname, 'mail.liquid'), 'utf8'),
};

export interface SampleMail {
  /** Of the whole message, headers and all. */
  bytes: number;
  subject: string;
  html: string;
  text: string;
}

export async function sampleMail(): Promise<SampleMail> {
  const message = compileMessage({
    template: compileTemplate(loadTemplate(TEMPLATE.name, TEMPLATE.body)),
    workspaceId: DEFAULT_WORKSPACE_ID,
    campaignId: newId(),
    from: SENDER,
    trackingBase: 'http://localhost:8080',
    signer: createSigner('bench'),
  });
  const rendered = message.render({
    contactId: newId(),
    email: 'person50000@example50.example',
    name: 'Ann Person 50000',
    attributes: { first_name: 'Ann50000', city: 'Köln' },
  });
  if (rendered.kind === 'unrenderable') throw new Error(rendered.error);
  const { subject = '', html = '', text = '' } = await PostalMime.parse(rendered.data);
  return { bytes: rendered.data.length, subject, html, text };
}
