/**
 * Messages: sent one at a time or in a batch, looked for, and told with all that happened to them. Of a campaign's messages
 * the same is told; they are queued by the campaign.
 */
import Type, { type Static } from 'typebox';
import { audit } from '../accounts/audit.ts';
import { normaliseEmail } from '../audience/email.ts';
import type { Tx } from '../kernel/database.ts';
import { type MessageKey, messageIdOf, readMessageId } from '../queue/message-ids.ts';
import type { Changed } from '../queue/messages.ts';
import { cancelMessage, retryMessage, STANDS, searchMessages, tellMessage } from '../queue/messages.ts';
import { type FoundMessage, findMessage, type ToldEvent } from '../queue/queries-messages.ts';
import { MESSAGE_STATES } from '../queue/states.ts';
import { type ApiRequest, endpoint, ok } from './endpoint.ts';
import { PAGE_QUERY, pageSchema, readPage } from './page.ts';
import { invalid, notFound, Problem } from './problem.ts';
import { Id, nullable, oneOf, strict, Time } from './schemas.ts';
import { readTime } from './time.ts';

export const MessageId = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: 'As Camp gave it.' });

const FIELDS = {
  id: MessageId,
  kind: oneOf(['campaign', 'transactional']),
  campaign_id: nullable(Type.String({ format: 'uuid', description: 'Null: a message of its own.' })),
  contact_id: nullable(Type.String({ format: 'uuid', description: 'Null: a message of its own.' })),
  to: Type.String(),
  state: oneOf(MESSAGE_STATES),
  state_in_words: Type.String({ description: 'For people; may change.' }),
  attempts: Type.Integer({ description: 'How often a worker has taken it up.' }),
  next_try_at: nullable(Type.String({ format: 'date-time', description: 'While it waits.' })),
};

const MessageSchema = strict(FIELDS, { $id: 'Message' });

const EventSchema = strict(
  {
    at: Time,
    kind: Type.String({ description: 'A state that it came into, or `retried`.' }),
    attempt: Type.Integer(),
    reply: nullable(Type.String({ description: 'What the mail server said, or what went wrong.' })),
    mx_host: nullable(Type.String({ description: 'Who said it; null: the relay, or nobody.' })),
  },
  { $id: 'MessageEvent' },
);

const TimelineSchema = strict(
  {
    ...FIELDS,
    from: Type.String(),
    subject: nullable(Type.String({ description: 'Of a message of its own.' })),
    queued_at: nullable(Type.String({ format: 'date-time', description: 'Of a message of its own.' })),
    queued_by: nullable(Type.String({ description: 'The key or session that sent it.' })),
    events: Type.Array(EventSchema, { description: 'The latest 200, in the order in which they came.' }),
  },
  { $id: 'MessageTimeline' },
);

const AfterKey = Type.Tuple([Id, Id]);

export const list = endpoint({
  summary: 'Messages, those of the newest campaigns first',
  description:
    'Without a recipient, looking for a state goes through messages a few thousand at a time: a page may have few messages, or none, and more may follow while `next_cursor` is not null.',
  scope: 'messages:read',
  idempotency: 'none',
  query: {
    ...PAGE_QUERY,
    to: Type.Optional(Type.String({ maxLength: 320, description: 'The recipient’s address.' })),
    state: Type.Optional(oneOf(MESSAGE_STATES)),
    campaign_id: Type.Optional(
      Type.String({ format: 'uuid', description: 'Of one that is not there, there are none.' }),
    ),
    from: Type.Optional(
      Type.String({
        format: 'date-time',
        description:
          'Messages of their own that were queued then or later, and those of campaigns made then or later.',
      }),
    ),
    until: Type.Optional(Type.String({ format: 'date-time', description: 'As `from`; before this.' })),
  },
  responses: { 200: pageSchema(MessageSchema) },
  async handle({ query, workspaceId }, tx) {
    const { limit, after } = readPage(query, AfterKey);
    const search = {
      workspaceId,
      email: query.to === undefined ? null : readAddress(query.to, '/query/to'),
      state: query.state ?? null,
      campaignId: query.campaign_id ?? null,
      from: readFrom1970(query.from, '/query/from'),
      until: readFrom1970(query.until, '/query/until'),
      after: after && { campaignId: after[0], contactId: after[1] },
    };
    const { messages, next } = await searchMessages(tx, search, limit);
    const key = next && JSON.stringify([next.campaignId, next.contactId]);
    return ok({
      data: messages.map(jsonOf),
      next_cursor: key && Buffer.from(key).toString('base64url'),
    });
  },
});

/** uuid_floor takes no time before 1970. */
function readFrom1970(text: string | undefined, where: string): Date | null {
  const time = text === undefined ? null : readTime(text, where);
  if (time !== null && time.getTime() < 0) throw invalid(where, 'must be a time from 1970 to 9999');
  return time;
}

export const show = endpoint({
  summary: 'A message, and what happened to it',
  scope: 'messages:read',
  idempotency: 'none',
  params: { id: MessageId },
  responses: { 200: TimelineSchema },
  async handle({ params, workspaceId }, tx) {
    return ok(await timeline(tx, workspaceId, readId(params.id)));
  },
});

export const cancel = endpoint({
  summary: 'Call a message back that waits',
  description: 'One that a worker has by now, or that was sent, is not: 409 says where it stands.',
  scope: 'messages:send',
  idempotency: 'required',
  params: { id: MessageId },
  responses: { 200: MessageSchema },
  problems: ['conflict', 'not-found'],
  async handle(request, tx) {
    const of = { workspaceId: request.workspaceId, ...readId(request.params.id) };
    const changed = await cancelMessage(tx, of);
    return ok(await afterChange(request, tx, of, { changed, action: 'message.cancelled' }));
  },
});

export const retry = endpoint({
  summary: 'Try a message now that waits for another try',
  description:
    'A message that is `uncertain` may have arrived. It is sent again only with `accept_duplicate`: the recipient may get it twice.',
  scope: 'messages:send',
  idempotency: 'required',
  params: { id: MessageId },
  body: strict({ accept_duplicate: Type.Optional(Type.Boolean({ default: false })) }),
  responses: { 200: MessageSchema },
  problems: ['conflict', 'not-found'],
  async handle(request, tx) {
    const { accept_duplicate: acceptDuplicate = false } = request.body;
    const of = { workspaceId: request.workspaceId, ...readId(request.params.id) };
    const changed = await retryMessage(tx, of, acceptDuplicate);
    return ok(await afterChange(request, tx, of, { changed, action: 'message.retried' }));
  },
});

async function afterChange(
  { principal, address, workspaceId }: Pick<ApiRequest, 'principal' | 'address' | 'workspaceId'>,
  tx: Tx,
  key: MessageKey,
  { changed, action }: { changed: Changed; action: string },
): Promise<Static<typeof MessageSchema>> {
  if (changed.kind === 'not-found') throw notFound('message');
  if (changed.kind === 'refused') throw new Problem('conflict', changed.sentence);
  const subject = `message/${messageIdOf(key)}`;
  await audit(tx, principal, { action, subject, before: { state: changed.from }, address });
  const message = await findMessage(tx, { workspaceId, ...key });
  if (!message) throw notFound('message');
  return jsonOf(message);
}

async function timeline(
  tx: Tx,
  workspaceId: string,
  key: MessageKey,
): Promise<Static<typeof TimelineSchema>> {
  const message = await tellMessage(tx, { workspaceId, ...key });
  if (!message) throw notFound('message');
  return {
    ...jsonOf(message),
    from: message.fromEmail,
    subject: message.subject,
    queued_at: message.queuedAt?.toISOString() ?? null,
    queued_by: message.queuedBy,
    events: message.events.map(eventJson),
  };
}

/** Throws a Problem: what is no id is nobody's message. */
function readId(text: string): MessageKey {
  const key = readMessageId(text);
  if (!key) throw notFound('message');
  return key;
}

/** In its normal form, as it is kept. Throws a Problem. */
export function readAddress(text: string, where: string): string {
  const address = normaliseEmail(text);
  if (address.kind === 'invalid') throw invalid(where, `is no address: ${address.reason}`);
  return address.email;
}

function jsonOf(message: FoundMessage): Static<typeof MessageSchema> {
  const { kind, campaignId, contactId, email, state, attempt, dueAt } = message;
  const isOwn = kind === 'transactional';
  return {
    id: messageIdOf({ campaignId, contactId }),
    kind,
    campaign_id: isOwn ? null : campaignId,
    contact_id: isOwn ? null : contactId,
    to: email,
    state,
    state_in_words: STANDS[state],
    attempts: attempt,
    next_try_at: dueAt?.toISOString() ?? null,
  };
}

function eventJson({ at, kind, attempt, detail, mxHost }: ToldEvent): Static<typeof EventSchema> {
  return { at: at.toISOString(), kind, attempt, reply: detail, mx_host: mxHost };
}
