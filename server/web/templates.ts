/** Templates: subject, HTML and text in Liquid, kept to make campaigns of. A campaign has its own copy of what it was made of. */
import Type, { type Static } from 'typebox';
import { audit } from '../accounts/audit.ts';
import {
  deleteTemplate,
  findTemplate,
  insertTemplate,
  lockTemplate,
  type TemplateRow,
  type TemplateSummary,
  templatePage,
  updateTemplate,
} from '../campaigns/queries-templates.ts';
import type { MailContent } from '../campaigns/template-work.ts';
import { newId } from '../kernel/ids.ts';
import { type ApiRequest, created, endpoint, noContent, ok } from './endpoint.ts';
import { etagOf, requireMatch } from './etag.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { notFound } from './problem.ts';
import { Id, Nothing, strict, Time } from './schemas.ts';
import { checkMail, TEMPLATE_CHARS_MAX } from './template-problems.ts';

const BODY_BYTES_MAX = 4 * TEMPLATE_CHARS_MAX;

const TemplateName = Type.String({
  minLength: 1,
  maxLength: 200,
  description: 'As a file is named: .mjml, .html or .txt say what it is; without one, its beginning does.',
});

const TemplateText = Type.String({
  minLength: 1,
  maxLength: TEMPLATE_CHARS_MAX,
  description:
    'MJML, HTML or text with Liquid, and before it between two lines --- its subject: and preheader:.',
});

const summaryFields = {
  id: Id,
  name: Type.String(),
  version: Type.Integer({ minimum: 1 }),
  created_at: Time,
  updated_at: Time,
};

const SummarySchema = strict(summaryFields, { $id: 'TemplateSummary' });

const TemplateSchema = strict({ ...summaryFields, source: Type.String() }, { $id: 'Template' });

export const list = endpoint({
  summary: 'Templates, newest first',
  scope: 'templates:read',
  idempotency: 'none',
  query: PAGE_QUERY,
  responses: { 200: pageSchema(SummarySchema) },
  async handle({ query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Id);
    const rows = await templatePage(tx, workspaceId, after, limit + 1);
    return ok(pageOf(rows, limit, { item: summaryOf, key: ({ id }) => id }));
  },
});

export const create = endpoint({
  summary: 'Keep a template',
  description: 'What is wrong with it is said with its line and column, and then it is not kept.',
  scope: 'templates:write',
  idempotency: 'optional',
  bodyBytesMax: BODY_BYTES_MAX,
  body: strict({ name: TemplateName, source: TemplateText }),
  responses: { 201: TemplateSchema },
  async run(request) {
    const { body, workspaceId, principal, address, services, scope, once } = request;
    await checkMail(request, contentOf(body), '/body/source');
    const work = services.database.withWorkspace(
      workspaceId,
      async (tx) => {
        const row = await insertTemplate(tx, { workspaceId, templateId: newId() }, body);
        const answer = withTag(created(`/v1/templates/${row.id}`, jsonOf(row)), row);
        await audit(tx, principal, { action: 'template.created', subject: `template/${row.id}`, address });
        await once?.finish(tx, answer);
        return answer;
      },
      scope,
    );
    return work;
  },
});

export const show = endpoint({
  summary: 'A template',
  scope: 'templates:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: TemplateSchema },
  async handle({ params, workspaceId }, tx) {
    const row = await findTemplate(tx, { workspaceId, templateId: params.id });
    if (!row) throw notFound('template');
    return withTag(ok(jsonOf(row)), row);
  },
});

export const change = endpoint({
  summary: 'Change a template',
  description: 'Campaigns that were made of it stay as they are.',
  scope: 'templates:write',
  idempotency: 'none',
  bodyBytesMax: BODY_BYTES_MAX,
  params: { id: Id },
  body: strict({ name: Type.Optional(TemplateName), source: Type.Optional(TemplateText) }),
  responses: { 200: TemplateSchema },
  problems: ['precondition-required', 'precondition-failed'],
  async run(request) {
    const { body, params, headers, workspaceId, principal, address, services, scope } = request;
    const of = { workspaceId, templateId: params.id };
    const seen = await services.database.readWorkspace(workspaceId, (tx) => findTemplate(tx, of), scope);
    if (!seen) throw notFound('template');
    requireMatch(headers, etagOf(seen.version));
    const wanted = { name: body.name ?? seen.name, source: body.source ?? seen.source };
    await checkMail(request, contentOf(wanted), '/body/source');
    const work = services.database.withWorkspace(
      workspaceId,
      async (tx) => {
        const before = await lockTemplate(tx, of);
        if (!before) throw notFound('template');
        // What was checked is what `seen` says with the changes, whatever If-Match allows.
        requireMatch({ 'if-match': etagOf(seen.version) }, etagOf(before.version));
        const row = await updateTemplate(tx, of, wanted);
        await audit(tx, principal, { action: 'template.changed', subject: `template/${row.id}`, address });
        return withTag(ok(jsonOf(row)), row);
      },
      scope,
    );
    return work;
  },
});

export const remove = endpoint({
  summary: 'Throw a template away',
  scope: 'templates:write',
  idempotency: 'none',
  params: { id: Id },
  responses: { 204: Nothing },
  async handle({ params, workspaceId, principal, address }, tx) {
    if (!(await deleteTemplate(tx, { workspaceId, templateId: params.id }))) throw notFound('template');
    await audit(tx, principal, { action: 'template.deleted', subject: `template/${params.id}`, address });
    return noContent();
  },
});

/** With a sender that says nothing: a template has none. */
function contentOf({ name, source }: { name: string; source: string }): MailContent {
  return {
    templateName: name,
    templateBody: source,
    fromName: null,
    fromEmail: 'sender@example.com',
    replyTo: null,
    postalAddress: null,
  };
}

function withTag<A extends { headers: object }>(answer: A, { version }: TemplateSummary) {
  return { ...answer, headers: { ...answer.headers, etag: etagOf(version) } };
}

export async function templateOf(
  { services, workspaceId, scope }: ApiRequest,
  id: string,
): Promise<TemplateRow> {
  const look = services.database.readWorkspace(
    workspaceId,
    (tx) => findTemplate(tx, { workspaceId, templateId: id }),
    scope,
  );
  const row = await look;
  if (!row) throw notFound('template');
  return row;
}

function summaryOf(row: TemplateSummary): Static<typeof SummarySchema> {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

function jsonOf(row: TemplateRow): Static<typeof TemplateSchema> {
  return { ...summaryOf(row), source: row.source };
}
