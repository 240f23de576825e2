/**
 * A campaign as a mail of its own, to addresses that somebody names: to see it in a mailbox before anybody else does. It goes
 * before all campaigns, its subject says that it is a test, no statistics count it, and its links are not tracked.
 */
import Type from 'typebox';
import { creditsAllow, OUT_OF_CREDITS } from '../billing/credits.ts';
import { findDetail } from '../campaigns/draft.ts';
import type { CampaignDetail } from '../campaigns/queries.ts';
import type { Tx } from '../kernel/database.ts';
import { messageIdOf } from '../queue/message-ids.ts';
import { suppressedAmong } from '../queue/queries-transactional.ts';
import { enqueueAll, MailRefused, streamsOf } from '../queue/transactional.ts';
import { auditCampaign } from './campaigns.ts';
import { type ApiRequest, created, endpoint } from './endpoint.ts';
import { MessageId, readAddress } from './messages.ts';
import { Problem } from './problem.ts';
import { Id, strict } from './schemas.ts';
import { contactFields } from './template-previews.ts';
import { templateProblem } from './template-problems.ts';

const RECIPIENTS_MAX = 10;
const SUBJECT_PREFIX = '[Test] ';

export const tryOut = endpoint({
  summary: 'Send a campaign to addresses of yours',
  description:
    'As a contact gets it (contact_id), or without any fields. The subject begins with [Test]; nothing of it is counted.',
  scope: 'campaigns:send',
  idempotency: 'required',
  params: { id: Id },
  body: strict({
    to: Type.Array(Type.String({ minLength: 3, maxLength: 320 }), {
      minItems: 1,
      maxItems: RECIPIENTS_MAX,
      uniqueItems: true,
    }),
    contact_id: Type.Optional(Id),
  }),
  responses: { 201: strict({ data: Type.Array(strict({ id: MessageId, to: Type.String() })) }) },
  problems: ['recipient-suppressed', 'sender-refused', 'out-of-credits'],
  async run(request) {
    const { body, params, workspaceId, services, scope, once } = request;
    const to = body.to.map((address, i) => readAddress(address, `/body/to/${i}`));
    const look = (tx: Tx) => findDetail(tx, { workspaceId, campaignId: params.id });
    const campaign = await services.database.readWorkspace(workspaceId, look, scope);
    const shown = await shownTo(request, campaign, body.contact_id);
    const work = async (tx: Tx) => {
      await assertMaySend(tx, request, campaign.fromEmail, to);
      const streams = await streamsOf(tx, workspaceId, [campaign.fromEmail]);
      const mails = to.map((email) => mailTo(email, request, campaign, shown));
      const keys = enqueueAll(tx, mails, streams);
      const data = keys.map((key, i) => ({ id: messageIdOf(key), to: to[i] ?? '' }));
      const answer = created('/v1/messages', { data });
      await auditCampaign(tx, request, campaign.id, 'tried_out', { recipients: to.length });
      await once?.finish(tx, answer);
      return answer;
    };
    return services.database.withWorkspace(workspaceId, work, scope).catch(explain);
  },
});

interface Shown {
  subject: string;
  html: string | null;
  text: string;
}

async function shownTo(
  request: ApiRequest,
  { templateName, templateBody, postalAddress }: CampaignDetail,
  contactId: string | undefined,
): Promise<Shown> {
  const { services } = request;
  const data = contactId === undefined ? {} : await contactFields(request, contactId);
  const surroundings = {
    unsubscribeUrl: `${services.config.publicUrl}/u/sample`,
    postalAddress: postalAddress ?? undefined,
  };
  const task = { kind: 'preview' as const, name: templateName, source: templateBody, data, surroundings };
  const result = await services.templates.do(task, request);
  if (result.kind === 'refused') throw templateProblem(result, '/body/contact_id');
  return result.preview;
}

async function assertMaySend(
  tx: Tx,
  { services, workspaceId }: ApiRequest,
  fromEmail: string,
  to: readonly string[],
): Promise<void> {
  if (!(await creditsAllow(tx, services.config, workspaceId)))
    throw new Problem('out-of-credits', OUT_OF_CREDITS);
  const fault = await services.senders.faultOf(tx, workspaceId, fromEmail);
  if (fault !== null) throw new Problem('sender-refused', fault);
  const [suppressed] = await suppressedAmong(tx, workspaceId, to);
  if (suppressed)
    throw new Problem(
      'recipient-suppressed',
      `${suppressed.email} is on the suppression list: ${suppressed.reason}.`,
    );
}

function mailTo(
  email: string,
  { principal, workspaceId }: ApiRequest,
  { fromName, fromEmail, replyTo }: CampaignDetail,
  { subject, text, html }: Shown,
) {
  return {
    workspaceId,
    from: { name: fromName, email: fromEmail },
    to: { email },
    ...(replyTo === null ? {} : { replyTo }),
    subject: SUBJECT_PREFIX + subject,
    text,
    ...(html === null ? {} : { html }),
    queuedBy: `${principal.kind} ${principal.id}`,
  };
}

function explain(error: unknown): never {
  if (error instanceof MailRefused) throw new Problem('refused', error.message);
  throw error;
}
