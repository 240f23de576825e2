/**
 * A message of its own from a template that is kept: made for its recipient before it is queued, in the thread where all
 * templates are made. So it goes alone, and not with others as those that come written (messages-send.ts).
 */
import Type from 'typebox';
import { queueMails } from '../billing/outgoing.ts';
import type { Preview } from '../content/preview.ts';
import type { Tx } from '../kernel/database.ts';
import { type ApiRequest, created, endpoint } from './endpoint.ts';
import { aroundOf, fields, QueuedSchema, queuedOrRefused, readMail } from './messages-send.ts';
import { invalid, Problem } from './problem.ts';
import { Id, strict } from './schemas.ts';
import { templateProblem } from './template-problems.ts';
import { templateOf } from './templates.ts';

export const create = endpoint({
  summary: 'Send a message from a template',
  description:
    'The template’s subject, HTML and text, with these fields. A field that it cannot do without must be there; an unsubscribe link has no place in a message of its own.',
  scope: 'messages:send',
  idempotency: 'required',
  bodyBytesMax: fields.bodyBytesMax,
  body: strict({
    ...fields.envelope,
    template_id: Id,
    fields: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  }),
  responses: { 201: QueuedSchema },
  problems: ['recipient-suppressed', 'sender-refused', 'out-of-credits', 'refused', 'not-found'],
  async run(request) {
    const { template_id: templateId, fields: given = {}, ...envelope } = request.body;
    const { services, workspaceId, scope, once } = request;
    const data = { name: envelope.to.name ?? null, ...given, email: envelope.to.email };
    const { subject, html, text } = await contentOf(request, templateId, data);
    const mail = readMail(
      request,
      { ...envelope, subject, text, ...(html === null ? {} : { html }) },
      '/body',
    );
    if (mail instanceof Problem) throw mail;
    const work = async (tx: Tx) => {
      const [became] = await queueMails(tx, aroundOf(request), [mail]);
      const item = became && queuedOrRefused(became, '/body');
      if (!item || item instanceof Problem) throw item ?? new Error('nothing became of a mail');
      const answer = created(`/v1/messages/${item.id}`, item);
      await once?.finish(tx, answer);
      return answer;
    };
    return services.database.withWorkspace(workspaceId, work, scope);
  },
});

/** Throws a Problem. */
async function contentOf(
  request: ApiRequest,
  templateId: string,
  data: Record<string, unknown>,
): Promise<Preview> {
  const { services } = request;
  const { name, source } = await templateOf(request, templateId);
  const surroundings = { unsubscribeUrl: '', postalAddress: services.config.postalAddress };
  const task = { kind: 'preview' as const, name, source, data, surroundings };
  const result = await services.templates.do(task, request);
  if (result.kind === 'refused') throw templateProblem(result, '/body/fields');
  const { missing, hasUnsubscribeLink } = result.preview;
  if (hasUnsubscribeLink)
    throw invalid('/body/template_id', 'prints an unsubscribe link, which a message of its own has not');
  const [lacking] = missing;
  if (lacking) throw invalid(`/body/fields/${lacking.path}`, 'is missing, and the template needs it');
  return result.preview;
}
