/** How a template reads to one recipient, and what its author should know of it before anybody gets it. */
import Type from 'typebox';
import { findContactById } from '../audience/queries-contacts.ts';
import type { Preview } from '../content/preview.ts';
import { type ApiRequest, endpoint, ok } from './endpoint.ts';
import { notFound } from './problem.ts';
import { Id, nullable, oneOf, strict } from './schemas.ts';
import { templateProblem } from './template-problems.ts';
import { templateOf } from './templates.ts';

/** Gmail shows so much of a mail's HTML, and hides the rest behind a link. */
const HTML_BYTES_MAX = 102 * 1_024;

const PreviewSchema = strict(
  {
    subject: Type.String(),
    html: nullable(Type.String({ description: 'Null: the template is plain text.' })),
    text: Type.String(),
    warnings: Type.Array(
      strict({
        code: oneOf(['missing-field', 'no-unsubscribe-link', 'too-large']),
        message: Type.String(),
        line: nullable(Type.Integer({ minimum: 1 })),
      }),
    ),
  },
  { $id: 'TemplatePreview' },
);

export const preview = endpoint({
  summary: 'How a template reads',
  description:
    'To a contact, or with the fields that are given: email, name, and attributes. Fields that are not known are rendered as nothing, and named among the warnings.',
  scope: 'templates:read',
  idempotency: 'none',
  params: { id: Id },
  body: strict({
    contact_id: Type.Optional(Id),
    fields: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: 'They go before the contact’s own.' }),
    ),
  }),
  responses: { 200: PreviewSchema },
  async run(request) {
    const { body, params } = request;
    const { name, source } = await templateOf(request, params.id);
    const known = body.contact_id === undefined ? {} : await contactFields(request, body.contact_id);
    return ok(await previewOf(request, { name, source, fields: { ...known, ...body.fields } }));
  },
});

interface Previewed {
  name: string;
  source: string;
  fields: Record<string, unknown>;
}

/** Throws a Problem. */
async function previewOf(request: ApiRequest, { name, source, fields }: Previewed) {
  const { config, templates } = request.services;
  const surroundings = {
    unsubscribeUrl: `${config.publicUrl}/u/sample`,
    postalAddress: config.postalAddress,
  };
  const result = await templates.do({ kind: 'preview', name, source, data: fields, surroundings }, request);
  if (result.kind === 'refused') throw templateProblem(result, '/body/fields');
  const { subject, html, text } = result.preview;
  return { subject, html, text, warnings: warningsOf(result.preview) };
}

/** What a template may read of a contact. Throws a Problem. */
export async function contactFields(
  { services, workspaceId, scope }: ApiRequest,
  contactId: string,
): Promise<Record<string, unknown>> {
  const contact = await services.database.readWorkspace(
    workspaceId,
    (tx) => findContactById(tx, workspaceId, contactId),
    scope,
  );
  if (!contact) throw notFound('contact');
  return { ...contact.attributes, email: contact.email, name: contact.name };
}

function warningsOf({ missing, hasUnsubscribeLink, html }: Preview) {
  const bytes = Buffer.byteLength(html ?? '');
  return [
    ...missing.map(({ path, line }) => ({
      code: 'missing-field' as const,
      message: `There is no "${path}": give it a default ({{ ${path} | default: "…" }}), or it is empty.`,
      line,
    })),
    ...(hasUnsubscribeLink
      ? []
      : [
          {
            code: 'no-unsubscribe-link' as const,
            message: 'It does not print {{ unsubscribe_url }}: bulk mail must show a link for unsubscribing.',
            line: null,
          },
        ]),
    ...(bytes <= HTML_BYTES_MAX
      ? []
      : [
          {
            code: 'too-large' as const,
            message: `Its HTML has ${Math.ceil(bytes / 1_024)} KB, and Gmail cuts off what is beyond 102 KB.`,
            line: null,
          },
        ]),
  ];
}
