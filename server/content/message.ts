/**
 * One campaign's mails: compiled once, then rendered per recipient. The end of this folder's work.
 *
 * Once:           links rewritten, Liquid parsed, all literal text encoded, fixed headers written.
 * Per recipient:  one HMAC (tokens.ts), Liquid's values encoded into their holes, marks filled, headers joined.
 *
 * A recipient renders to the same message on every try but for its Date: Message-ID and tokens depend on ids alone. What
 * cannot be rendered (an address that SMTP cannot carry, a template that goes over its limits) is a value, not an exception:
 * it concerns one recipient.
 */
import { type AddressResult, encodeAddress, encodeBodyPiece } from './encodings.ts';
import { type Tracking, trackHtml, trackText } from './links.ts';
import { type LiquidRenderer, parseLiquid } from './liquid.ts';
import { createMessageWriter, type Mailbox } from './mime.ts';
import type { CompiledTemplate } from './template.ts';
import { RenderLimit } from './template-error.ts';
import type { Signer } from './tokens.ts';
import { createMarkFiller, encodeMarkedPiece } from './tracking.ts';

export interface MessageInput {
  template: CompiledTemplate;
  /** UUIDs. */
  workspaceId: string;
  campaignId: string;
  from: Sender;
  replyTo?: Sender | undefined;
  /** Where the tracking endpoints are, an origin or a path under one: `https://mail.example.com`. */
  trackingBase: string;
  signer: Signer;
  listId?: string | undefined;
  feedbackId?: string | undefined;
  /** What {{ postal_address }} prints. */
  postalAddress?: string | undefined;
  /** Milliseconds since 1970 for the Date header. Default `Date.now`. */
  now?: () => number;
}

export interface Sender {
  name?: string | undefined;
  email: string;
}

export interface MessageRecipient {
  /** UUID. */
  contactId: string;
  email: string;
  name: string | null;
  attributes: Record<string, unknown>;
}

export interface CompiledMessage {
  render(recipient: MessageRecipient): RenderResult;
}

/** `data` is printable ASCII with CRLF line ends, no dot-stuffing needed; `messageId` is without angle brackets. */
export type RenderResult =
  | { kind: 'rendered'; data: string; messageId: string }
  | { kind: 'unrenderable'; error: string };

/** A sender that cannot be written into a header: the campaign must not start. */
export class SenderError extends Error {
  override readonly name = 'SenderError';
}

/** Throws SenderError, and TemplateError when rewriting made of the template something that Liquid refuses. */
export function compileMessage(input: MessageInput): CompiledMessage {
  const { signer, workspaceId, campaignId, now = Date.now } = input;
  const from = senderMailbox(input.from);
  const tracking: Tracking = {
    base: new URL(input.trackingBase).href.replace(/\/+$/, ''),
    signer: signer.forCampaign({ workspaceId, campaignId }),
  };
  const writeMessage = createMessageWriter({
    from,
    replyTo: input.replyTo && senderMailbox(input.replyTo),
    listId: input.listId,
    feedbackId: input.feedbackId,
    boundaryId: campaignId.replaceAll('-', ''),
    hasHtml: input.template.html !== null,
  });
  const renderParts = compileParts(input.template, tracking);

  return {
    render(recipient) {
      const to = encodeAddress(recipient.email);
      if (to.kind === 'invalid') return { kind: 'unrenderable', error: to.reason };
      const { token, messageIdLocal } = tracking.signer.recipient(recipient.contactId);
      const unsubscribeUrl = `${tracking.base}/u/${token}`;
      const messageId = `${messageIdLocal}@${from.domain}`;
      const data = recipientData(recipient, unsubscribeUrl, input.postalAddress);
      const parts = renderParts(data, token);
      if (typeof parts === 'string') return { kind: 'unrenderable', error: parts };
      const mailbox = { name: recipient.name, address: to.address };
      const message = writeMessage({ ...parts, to: mailbox, dateMs: now(), messageId, unsubscribeUrl });
      return { kind: 'rendered', data: message, messageId };
    },
  };
}

/**
 * What Liquid can read of a recipient: attributes by their names, `email`, `name`, `first_name`, and `contact` with all
 * of them; and of the campaign `unsubscribe_url` and, when it has one, `postal_address`.
 */
export function recipientData(
  { email, name, attributes }: Omit<MessageRecipient, 'contactId'>,
  unsubscribeUrl: string,
  postalAddress?: string,
): Record<string, unknown> {
  const contact = {
    ...attributes,
    email,
    name: name ?? attributes.name ?? null,
    first_name: attributes.first_name ?? firstWord(name),
  };
  const campaign = {
    unsubscribe_url: unsubscribeUrl,
    ...(postalAddress && { postal_address: postalAddress }),
  };
  return { ...contact, contact, ...campaign };
}

function firstWord(name: string | null): string | null {
  return name?.trim().split(/\s+/, 1)[0] || null;
}

/** A recipient's name is shown as well as it can be; a sender's is the operator's, who can write it as it should be. */
function senderMailbox({ name = '', email }: Sender): Mailbox & { domain: string } {
  if (/\p{Cc}/u.test(name))
    throw new SenderError(
      `The sender's name has a line break or another control character: ${JSON.stringify(name)}.`,
    );
  const result: AddressResult = encodeAddress(email);
  if (result.kind === 'invalid') throw new SenderError(result.reason);
  return { name, address: result.address, domain: result.domain };
}

interface RenderedParts {
  subject: string;
  text: string;
  html: string;
}

/** The rendered and encoded parts of one recipient's mail, or why there are none. */
function compileParts(
  template: CompiledTemplate,
  tracking: Tracking,
): (data: Record<string, unknown>, token: string) => RenderedParts | string {
  const subject = template.subject.compile();
  const text = compileBody(trackText(template.text, tracking), `${template.file} (text)`, false);
  const html =
    template.html === null ? () => '' : compileBody(trackHtml(template.html, tracking), template.file, true);
  const fillMarks = createMarkFiller(tracking);
  return (data, token) => {
    try {
      return {
        subject: subject(data),
        text: fillMarks(text(data), token, 'text'),
        html: fillMarks(html(data), token, 'html'),
      };
    } catch (error) {
      if (error instanceof RenderLimit) return error.message;
      throw error;
    }
  };
}

/** Literal text is encoded here, once; values are encoded as they are printed. A body ends with a line break. */
function compileBody(source: string, name: string, escapeHtml: boolean): LiquidRenderer {
  const template = parseLiquid(source.endsWith('\n') ? source : `${source}\n`, { name });
  return template.compile({ fixed: encodeMarkedPiece, output: encodeBodyPiece, escapeHtml });
}
