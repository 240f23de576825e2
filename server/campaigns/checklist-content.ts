/**
 * The checklist's part about the mail itself, as one of its recipients gets it: the headers that make unsubscribing one
 * click, the postal address, merge fields that would be empty, size and links.
 */
import { decodeBody } from '../content/encodings.ts';
import { readHtml } from '../content/html.ts';
import type { RenderedTemplate, TemplateField } from '../content/template.ts';
import type { Database, Tx } from '../kernel/database.ts';
import type { Scope } from '../kernel/scope.ts';
import { signDkim } from '../smtp/dkim.ts';
import { type Checked, type ChecklistItem, people } from './checked.ts';
import { countMissing } from './queries-checklist.ts';
import type { TemplateWorker } from './template-work.ts';

/** Gmail shows so much of a mail's HTML, and hides the rest behind a link. */
const HTML_BYTES_MAX = 102 * 1_024;
const LINKS_SHOWN = 3;
/** Nobody can lack these. */
const ALWAYS_THERE = new Set(['email', 'unsubscribe_url', 'postal_address', 'contact']);

const SAMPLE = {
  id: '00000000-0000-7000-8000-000000000000',
  email: 'sample@example.com',
  name: null,
  attributes: {},
};

export async function checkContent(
  { database, scope, work }: { database: Database; scope: Scope; work: TemplateWorker },
  checked: Checked,
): Promise<ChecklistItem[]> {
  const { sample = SAMPLE, config } = checked;
  const { workspaceId, campaignId } = checked;
  const content = {
    templateName: checked.templateName,
    templateBody: checked.templateBody,
    fromName: null,
    fromEmail: checked.fromEmail,
    replyTo: null,
    postalAddress: checked.postalAddress,
  };
  const made = await work({
    kind: 'mail',
    of: { workspaceId, campaignId },
    content,
    recipient: { ...sample, contactId: sample.id },
    trackingBase: config.publicUrl,
  });
  if (made.kind === 'refused') return [unrenderable(checked, made.sentence)];
  const { mail, shown, fields } = made;
  if (mail.kind === 'unrenderable' || !shown)
    return [unrenderable(checked, mail.kind === 'unrenderable' ? `${mail.error}.` : '')];
  return [
    await oneClickItem(checked, mail.data),
    unsubscribeItem(fields),
    addressItem(checked, shown),
    await fieldsItem({ database, scope }, checked, fields),
    subjectItem(shown),
    sizeItem(mail.data),
    linksItem(shown),
  ];
}

function unrenderable({ sample = SAMPLE }: Checked, error: string): ChecklistItem {
  const fix = 'Correct the template, or the contact.';
  return {
    id: 'template',
    verdict: 'red',
    sentence: `The mail to ${sample.email} cannot be made: ${error}`,
    fix,
  };
}

/** RFC 8058: both headers, an https address, and when Camp signs, both in the signature. */
async function oneClickItem({ dkimKeys, config }: Checked, data: string): Promise<ChecklistItem> {
  const id = 'one-click';
  const fields = headersOf(data);
  const url = /<(.*?)>/.exec(fields.get('list-unsubscribe') ?? '')?.[1] ?? '';
  const isThere = url !== '' && fields.get('list-unsubscribe-post') === 'List-Unsubscribe=One-Click';
  const isSigned = dkimKeys.length === 0 || (await signsUnsubscribe(data, dkimKeys));
  if (!isThere || !isSigned)
    return {
      id,
      verdict: 'red',
      sentence: `The headers for one-click unsubscribing are not ${isThere ? 'signed' : 'there'}; Gmail and Yahoo want them.`,
      fix: 'This is a mistake in Camp: please report it.',
    };
  if (!url.startsWith('https://') || new URL(url).hostname === 'localhost')
    return {
      id,
      verdict: 'amber',
      sentence: `Links and one-click unsubscribing lead to ${config.publicUrl}, which ${url.startsWith('https://') ? 'recipients cannot reach' : 'is not https'}; Gmail and Yahoo want them to work.`,
      fix: 'Set CAMP_PUBLIC_URL to an https address that leads here.',
    };
  return { id, verdict: 'green', sentence: 'Unsubscribing is one click.', fix: null };
}

async function signsUnsubscribe(data: string, keys: Checked['dkimKeys']): Promise<boolean> {
  const signature = headersOf(await signDkim(data, keys)).get('dkim-signature') ?? '';
  const signed =
    /(?:^|;)\s*h=([^;]*)/.exec(signature)?.[1]?.replaceAll(/\s/g, '').toLowerCase().split(':') ?? [];
  return signed.includes('list-unsubscribe') && signed.includes('list-unsubscribe-post');
}

/** By name in lower case, unfolded; of several the last. */
function headersOf(data: string): Map<string, string> {
  const lines = data
    .slice(0, data.indexOf('\r\n\r\n'))
    .replaceAll(/\r\n(?=[ \t])/g, '')
    .split('\r\n');
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}

function unsubscribeItem(fields: readonly TemplateField[]): ChecklistItem {
  const id = 'unsubscribe-link';
  if (fields.some(({ path }) => path === 'unsubscribe_url'))
    return { id, verdict: 'green', sentence: 'The mail shows a link for unsubscribing.', fix: null };
  return {
    id,
    verdict: 'amber',
    sentence: 'The mail does not print {{ unsubscribe_url }}: bulk mail must show a link for unsubscribing.',
    fix: 'Put {{ unsubscribe_url }} into the template, unless it has a link of its own for this.',
  };
}

/** CAN-SPAM and its like want one in commercial mail. Punctuation and line breaks are as the author likes. */
function addressItem({ postalAddress }: Checked, { text, html }: RenderedTemplate): ChecklistItem {
  const id = 'postal-address';
  if (postalAddress === null)
    return {
      id,
      verdict: 'amber',
      sentence:
        'Camp does not know your postal address, so it cannot see whether the mail shows it; commercial mail must.',
      fix: 'Set CAMP_POSTAL_ADDRESS, or make the campaign with --postal-address; {{ postal_address }} prints it.',
    };
  const words = (written: string) =>
    written
      .toLowerCase()
      .split(/[^\p{L}\p{N}]+/u)
      .filter(Boolean)
      .join(' ');
  if ([text, html ?? ''].some((body) => words(body).includes(words(postalAddress))))
    return { id, verdict: 'green', sentence: 'The mail shows your postal address.', fix: null };
  return {
    id,
    verdict: 'amber',
    sentence: `The mail does not show your postal address, "${postalAddress}".`,
    fix: 'Put {{ postal_address }} into the template.',
  };
}

async function fieldsItem(
  { database, scope }: { database: Database; scope: Scope },
  { workspaceId, asked, audience, templateName }: Checked,
  fields: readonly TemplateField[],
): Promise<ChecklistItem> {
  const required = fields
    .filter(({ optional }) => !optional)
    .map(({ path }) => path.replace(/^contact\./, ''));
  const paths = [...new Set(required)].filter((path) => !ALWAYS_THERE.has(path));
  const look = (tx: Tx) => countMissing(tx, asked, paths);
  const missing = await database.readWorkspace(workspaceId, look, scope);
  const lacking = paths
    .map((path, index) => ({ path, contacts: missing[index] ?? 0 }))
    .filter(({ contacts }) => contacts > 0);
  const [first] = lacking;
  const id = 'merge-fields';
  if (!first)
    return { id, verdict: 'green', sentence: 'Every merge field is known of everybody.', fix: null };
  const listed = lacking.map(({ path, contacts }) => `"${path}" is empty for ${people(contacts)}`).join(', ');
  return {
    id,
    verdict: lacking.some(({ contacts }) => contacts === audience) ? 'red' : 'amber',
    sentence: `Of ${people(audience)}, ${listed}.`,
    fix: `Give it a default in ${templateName}: {{ ${first.path} | default: "…" }}.`,
  };
}

function subjectItem({ subject }: RenderedTemplate): ChecklistItem {
  if (subject !== '')
    return { id: 'subject', verdict: 'green', sentence: `Its subject is "${subject}".`, fix: null };
  return {
    id: 'subject',
    verdict: 'red',
    sentence: 'Its subject is empty.',
    fix: 'Write one in the template: subject: …',
  };
}

function sizeItem(data: string): ChecklistItem {
  const start = data.indexOf('Content-Type: text/html');
  const bytes =
    start < 0 ? 0 : Buffer.byteLength(decodeBody(data.slice(data.indexOf('\r\n\r\n', start) + 4)));
  const size = `${Math.ceil(bytes / 1_024)} KB`;
  if (bytes <= HTML_BYTES_MAX)
    return { id: 'size', verdict: 'green', sentence: `Its HTML has ${size}.`, fix: null };
  return {
    id: 'size',
    verdict: 'amber',
    sentence: `Its HTML has ${size}, and Gmail cuts off what is beyond 102 KB, with the link for unsubscribing.`,
    fix: 'Shorten the template, or take images and styles out of it.',
  };
}

function linksItem({ html, text }: RenderedTemplate): ChecklistItem {
  const inHtml = readHtml(html ?? '').flatMap((token) => {
    const href = token.kind === 'start' && token.name === 'a' ? token.attributes.get('href') : undefined;
    return href ? [href.pieces.join('').trim()] : [];
  });
  const inText = html === null ? (text.match(/\bhttp:\/\/[^\s<>"]+/gi) ?? []) : [];
  const open = [...new Set([...inHtml, ...inText])].filter((url) => /^http:\/\//i.test(url));
  if (open.length === 0)
    return { id: 'links', verdict: 'green', sentence: 'Every link is https.', fix: null };
  return {
    id: 'links',
    verdict: 'amber',
    sentence: `${open.length === 1 ? '1 link is' : `${open.length} links are`} not https: ${open.slice(0, LINKS_SHOWN).join(', ')}.`,
    fix: 'Write https:// in front of them.',
  };
}
