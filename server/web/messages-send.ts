/**
 * Sending messages of their own: one, or up to 500 at once. What is queued waits behind no campaign.
 *
 * A message is refused before it is queued when its form, its sender or its recipient could not be, and the answer says
 * which field. Single messages that come at the same time share a transaction (together.ts), because what they wait for is
 * the disk.
 */
import Type, { type Static } from 'typebox';
import { OUT_OF_CREDITS } from '../billing/credits.ts';
import { type Queued, queueMails, suppressionSentence } from '../billing/outgoing.ts';
import { messageIdOf } from '../queue/message-ids.ts';
import { mailFault, type TransactionalMail } from '../queue/transactional.ts';
import { type ApiRequest, created, endpoint } from './endpoint.ts';
import { MessageId, readAddress } from './messages.ts';
import { invalid, Problem, type ProblemCode } from './problem.ts';
import { oneOf, strict } from './schemas.ts';

const MESSAGES_MAX = 500;
const BODY_BYTES_MAX = 15_000_000;
const ATTACHMENTS_MAX = 20;
/** Of one message, decoded: many mail servers take 10 MB and no more (RFC 5321 section 4.5.3.1.7 says nothing of it). */
const ATTACHMENT_BYTES_MAX = 7_000_000;
const TEXT_CHARS_MAX = 1_000_000;

const Address = strict(
  {
    email: Type.String({ minLength: 3, maxLength: 320 }),
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  },
  { $id: 'MailAddress' },
);

const ENVELOPE = {
  from: Address,
  to: Address,
  reply_to: Type.Optional(Type.String({ minLength: 3, maxLength: 320 })),
  attachments: Type.Optional(
    Type.Array(
      strict({
        filename: Type.String({ minLength: 1, maxLength: 200 }),
        content_type: Type.String({ minLength: 3, maxLength: 100 }),
        content: Type.String({ minLength: 1, description: 'base64 (RFC 4648 section 4)' }),
      }),
      { maxItems: ATTACHMENTS_MAX, description: `Together at most ${ATTACHMENT_BYTES_MAX} bytes.` },
    ),
  ),
};

/** Of a request that says the rest in another way. */
export const fields = { envelope: ENVELOPE, bodyBytesMax: BODY_BYTES_MAX };

const MailSchema = strict(
  {
    ...ENVELOPE,
    subject: Type.String({ minLength: 1, maxLength: 500 }),
    text: Type.Optional(Type.String({ maxLength: TEXT_CHARS_MAX, description: 'text or html, or both.' })),
    html: Type.Optional(Type.String({ maxLength: TEXT_CHARS_MAX })),
  },
  { $id: 'Mail' },
);

type Mail = Static<typeof MailSchema>;

export const QueuedSchema = strict(
  { id: MessageId, to: Type.String(), state: oneOf(['queued']) },
  { $id: 'QueuedMessage' },
);

export const create = endpoint({
  summary: 'Send a message',
  description:
    'It is queued when the answer comes, and is sent at once, before all campaigns. GET it to see what became of it.',
  scope: 'messages:send',
  idempotency: 'required',
  bodyBytesMax: BODY_BYTES_MAX,
  body: MailSchema,
  responses: { 201: QueuedSchema },
  problems: ['recipient-suppressed', 'sender-refused', 'out-of-credits'],
  async together(requests, tx) {
    const read = requests.map((request) => readMail(request, request.body, '/body'));
    const mails = read.flatMap((one) => (one instanceof Problem ? [] : [one]));
    const [first] = requests;
    const queued = (first ? await queueMails(tx, aroundOf(first), mails) : []).values();
    return read.map((one) => {
      if (one instanceof Problem) return one;
      const { value: became } = queued.next();
      if (!became) throw new Error('nothing became of a mail');
      const item = queuedOrRefused(became, '/body');
      return item instanceof Problem ? item : created(`/v1/messages/${item.id}`, item);
    });
  },
});

const BatchItemSchema = Type.Union(
  [
    QueuedSchema,
    strict({
      id: Type.Null(),
      to: Type.String(),
      state: oneOf(['suppressed']),
      reason: Type.String({ description: 'hard_bounce, complaint or manual' }),
    }),
  ],
  { $id: 'BatchedMessage' },
);

export const batch = endpoint({
  summary: `Send up to ${MESSAGES_MAX} messages`,
  description:
    'All of them are queued, or, when one of them could not be sent, none. A recipient on the suppression list keeps nobody else from getting theirs: their place in the answer says so.',
  scope: 'messages:send',
  idempotency: 'required',
  load: 'bulk',
  bodyBytesMax: BODY_BYTES_MAX,
  body: strict({ messages: Type.Array(MailSchema, { minItems: 1, maxItems: MESSAGES_MAX }) }),
  responses: { 201: strict({ data: Type.Array(BatchItemSchema, { description: 'In the same order.' }) }) },
  problems: ['sender-refused', 'out-of-credits'],
  async handle(request, tx) {
    const mails = request.body.messages.map((mail, i) => {
      const read = readMail(request, mail, `/body/messages/${i}`);
      if (read instanceof Problem) throw read;
      return read;
    });
    const queued = await queueMails(tx, aroundOf(request), mails);
    return created('/v1/messages', { data: queued.map(batchItem) });
  },
});

function batchItem(became: Queued, i: number): Static<typeof BatchItemSchema> {
  if (became.kind === 'queued') return jsonOf(became);
  if (became.kind !== 'suppressed') throw refusalOf(became, `/body/messages/${i}`);
  return { id: null, to: became.to, state: 'suppressed', reason: became.reason };
}

export function aroundOf({ services, workspaceId }: Pick<ApiRequest, 'services' | 'workspaceId'>) {
  return { config: services.config, senders: services.senders, workspaceId };
}

function jsonOf({ key, to }: Extract<Queued, { kind: 'queued' }>): Static<typeof QueuedSchema> {
  return { id: messageIdOf(key), to, state: 'queued' };
}

/** `at`: where the mail stands in the request. */
export function queuedOrRefused(became: Queued, at: string): Static<typeof QueuedSchema> | Problem {
  return became.kind === 'queued' ? jsonOf(became) : refusalOf(became, at);
}

function refusalOf(became: Exclude<Queued, { kind: 'queued' }>, at: string): Problem {
  switch (became.kind) {
    case 'out-of-credits':
      return new Problem('out-of-credits', OUT_OF_CREDITS);
    case 'sender-refused':
      return faulty('sender-refused', `${at}/from/email`, became.sentence);
    case 'suppressed':
      return faulty('recipient-suppressed', `${at}/to/email`, suppressionSentence(became));
  }
}

/** A mail as the queue takes it, or what is wrong with it. */
export function readMail(
  { workspaceId, principal }: Pick<ApiRequest, 'workspaceId' | 'principal'>,
  mail: Mail,
  at: string,
): TransactionalMail | Problem {
  try {
    const read = { workspaceId, queuedBy: `${principal.kind} ${principal.id}`, ...fieldsOf(mail, at) };
    const fault = mailFault(read);
    return fault === null ? read : faulty('invalid-request', at + fault.at, fault.sentence);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

function faulty(code: ProblemCode, path: string, message: string): Problem {
  return new Problem(code, message, { errors: [{ path, message }] });
}

/** Throws a Problem. */
function fieldsOf(mail: Mail, at: string): Omit<TransactionalMail, 'workspaceId'> {
  const { from, to, reply_to: replyTo, subject, text, html, attachments = [] } = mail;
  return {
    from: { ...from, email: readAddress(from.email, `${at}/from/email`) },
    to: { ...to, email: readAddress(to.email, `${at}/to/email`) },
    subject,
    attachments: readAttachments(attachments, `${at}/attachments`),
    ...(replyTo === undefined ? {} : { replyTo: readAddress(replyTo, `${at}/reply_to`) }),
    ...(text === undefined ? {} : { text }),
    ...(html === undefined ? {} : { html }),
  };
}

function readAttachments(attachments: NonNullable<Mail['attachments']>, at: string) {
  const read = attachments.map(({ filename, content_type: contentType, content: base64 }, i) => {
    const content = Buffer.from(base64, 'base64');
    if (content.toString('base64') !== base64) throw invalid(`${at}/${i}/content`, 'is no base64');
    return { filename, contentType, content };
  });
  const bytes = read.reduce((sum, { content }) => sum + content.length, 0);
  if (bytes > ATTACHMENT_BYTES_MAX)
    throw invalid(at, `have ${bytes} bytes together, and may have ${ATTACHMENT_BYTES_MAX}`);
  return read;
}
