/** Campaigns as drafts: made, read, changed, copied and thrown away. What is done with them is in campaigns-verbs.ts. */
import Type, { type Static } from 'typebox';
import { audit } from '../accounts/audit.ts';
import { conditionsFault } from '../audience/audience-rules.ts';
import { missingLists } from '../audience/lists.ts';
import { missingSegments } from '../audience/segments.ts';
import {
  createDraft,
  deleteDraft,
  duplicate,
  findDetail,
  GIVE_UP_SECONDS,
  lockDraft,
} from '../campaigns/draft.ts';
import * as queries from '../campaigns/queries.ts';
import { findTemplate } from '../campaigns/queries-templates.ts';
import { CAMPAIGN_STATES } from '../campaigns/states.ts';
import type { Tx } from '../kernel/database.ts';
import {
  CampaignSchema,
  CampaignSummarySchema,
  campaignJson,
  draftFields,
  Name,
  summaryOf,
} from './campaigns-json.ts';
import { type ApiRequest, created, endpoint, noContent, ok } from './endpoint.ts';
import { etagOf, requireMatch } from './etag.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { invalid, Problem } from './problem.ts';
import { Id, Nothing, oneOf, strict } from './schemas.ts';
import { checkMail, TEMPLATE_CHARS_MAX } from './template-problems.ts';

const BODY_BYTES_MAX = 4 * TEMPLATE_CHARS_MAX;

const newBody = strict({ name: Name, ...draftFields });
const changeBody = strict({
  ...draftFields,
  name: Type.Optional(Name),
  from: Type.Optional(draftFields.from),
});

type Changes = Static<typeof changeBody>;

export const list = endpoint({
  summary: 'Campaigns, newest first',
  scope: 'campaigns:read',
  idempotency: 'none',
  query: { ...PAGE_QUERY, state: Type.Optional(oneOf(CAMPAIGN_STATES)) },
  responses: { 200: pageSchema(CampaignSummarySchema) },
  async handle({ query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Id);
    const { state } = query;
    const rows = await (state === undefined
      ? queries.campaignPage(tx, workspaceId, after, limit + 1)
      : queries.campaignPageOfState(tx, workspaceId, state, after, limit + 1));
    return ok(pageOf(rows, limit, { item: summaryOf, key: ({ id }) => id }));
  },
});

export const create = endpoint({
  summary: 'Make a draft',
  description:
    'Of a template of the workspace (template_id), which is copied, or of one that is given. A template of which no mail could be made is refused with its line and column.',
  scope: 'campaigns:write',
  idempotency: 'optional',
  bodyBytesMax: BODY_BYTES_MAX,
  body: newBody,
  responses: { 201: CampaignSchema },
  async run(request) {
    const { body, workspaceId, services, scope, once } = request;
    const template = await templateIn(request, body);
    if (!template) throw invalid('/body/template', 'is missing, and template_id is as well');
    const draft = changed({ ...EMPTY, postalAddress: services.config.postalAddress ?? null }, body, template);
    await checkMail(request, draft, '/body/template/source');
    const work = async (tx: Tx) => {
      await assertKnown(tx, workspaceId, body);
      const campaignId = await createDraft(tx, workspaceId, draft);
      const answer = await answerMade(tx, request, campaignId, 'created');
      await once?.finish(tx, answer);
      return answer;
    };
    return services.database.withWorkspace(workspaceId, work, scope);
  },
});

export const show = endpoint({
  summary: 'A campaign',
  scope: 'campaigns:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: CampaignSchema },
  async handle({ params, workspaceId }, tx) {
    const row = await findDetail(tx, { workspaceId, campaignId: params.id });
    return ok(campaignJson(row), { etag: etagOf(row.version) });
  },
});

export const change = endpoint({
  summary: 'Change a draft',
  description: 'Only while it is a draft; what is not said stays.',
  scope: 'campaigns:write',
  idempotency: 'none',
  bodyBytesMax: BODY_BYTES_MAX,
  params: { id: Id },
  body: changeBody,
  responses: { 200: CampaignSchema },
  problems: ['conflict', 'precondition-required', 'precondition-failed'],
  async run(request) {
    const { body, params, headers, workspaceId, services, scope } = request;
    const of = { workspaceId, campaignId: params.id };
    const look = (tx: Tx) => findDetail(tx, of);
    const seen = await services.database.readWorkspace(workspaceId, look, scope);
    requireMatch(headers, etagOf(seen.version));
    const draft = changed(seen, body, await templateIn(request, body));
    if (seen.state === 'draft') await checkMail(request, draft, '/body/template/source');
    const work = async (tx: Tx) => {
      const before = await lockDraft(tx, of);
      // What was checked is what was seen with the changes, whatever If-Match allows.
      requireMatch({ 'if-match': etagOf(seen.version) }, etagOf(before.version));
      await assertKnown(tx, workspaceId, body);
      await queries.updateDraft(tx, of, draft);
      await auditCampaign(tx, request, of.campaignId, 'changed');
      const row = await findDetail(tx, of);
      return ok(campaignJson(row), { etag: etagOf(row.version) });
    };
    return services.database.withWorkspace(workspaceId, work, scope);
  },
});

export const remove = endpoint({
  summary: 'Throw a draft away',
  scope: 'campaigns:write',
  idempotency: 'none',
  params: { id: Id },
  responses: { 204: Nothing },
  problems: ['conflict'],
  async handle(request, tx) {
    const of = { workspaceId: request.workspaceId, campaignId: request.params.id };
    await deleteDraft(tx, of);
    await auditCampaign(tx, request, of.campaignId, 'deleted');
    return noContent();
  },
});

export const copy = endpoint({
  summary: 'Make a draft that says the same',
  description: 'Of a campaign in whatever state.',
  scope: 'campaigns:write',
  idempotency: 'optional',
  params: { id: Id },
  body: strict({ name: Type.Optional(Name) }),
  responses: { 201: CampaignSchema },
  async handle(request, tx) {
    const { body, params, workspaceId } = request;
    const campaignId = await duplicate(tx, { workspaceId, campaignId: params.id }, body.name);
    return answerMade(tx, request, campaignId, 'duplicated');
  },
});

type Asked = Pick<ApiRequest, 'principal' | 'address' | 'workspaceId'>;

async function answerMade(tx: Tx, request: Asked, campaignId: string, done: string) {
  const row = await findDetail(tx, { workspaceId: request.workspaceId, campaignId });
  await auditCampaign(tx, request, campaignId, done);
  const { status, headers, body } = created(`/v1/campaigns/${campaignId}`, campaignJson(row));
  return { status, headers: { ...headers, etag: etagOf(row.version) }, body };
}

/** `done`: what was done to it: paused. */
export async function auditCampaign(
  tx: Tx,
  { principal, address }: Pick<ApiRequest, 'principal' | 'address'>,
  campaignId: string,
  done: string,
  after?: unknown,
): Promise<void> {
  await audit(tx, principal, {
    action: `campaign.${done}`,
    subject: `campaign/${campaignId}`,
    after,
    address,
  });
}

const EMPTY: queries.DraftRow = {
  name: '',
  listIds: [],
  segmentIds: [],
  excludedListIds: [],
  excludedSegmentIds: [],
  fromName: null,
  fromEmail: '',
  replyTo: null,
  templateName: '',
  templateBody: '',
  giveUpSeconds: GIVE_UP_SECONDS,
  postalAddress: null,
};

function changed(
  before: queries.DraftRow,
  { name, from, reply_to, audience, postal_address, give_up_seconds }: Changes,
  template: { name: string; source: string } | undefined,
): queries.DraftRow {
  return {
    ...before,
    ...(name !== undefined && { name }),
    ...(from && { fromEmail: from.email.trim(), fromName: from.name ?? null }),
    ...(reply_to !== undefined && { replyTo: reply_to }),
    ...(audience && {
      listIds: audience.list_ids ?? [],
      segmentIds: audience.segment_ids ?? [],
      excludedListIds: audience.exclude?.list_ids ?? [],
      excludedSegmentIds: audience.exclude?.segment_ids ?? [],
    }),
    ...(template && { templateName: template.name, templateBody: template.source }),
    ...(postal_address !== undefined && { postalAddress: postal_address }),
    ...(give_up_seconds !== undefined && { giveUpSeconds: give_up_seconds }),
  };
}

async function templateIn(
  request: ApiRequest,
  { template, template_id }: Pick<Changes, 'template' | 'template_id'>,
): Promise<{ name: string; source: string } | undefined> {
  if (template_id === undefined) return template;
  if (template)
    throw invalid('/body/template_id', 'is given, and template is as well: leave one of them out');
  const { services, workspaceId, scope } = request;
  const look = (tx: Tx) => findTemplate(tx, { workspaceId, templateId: template_id });
  const found = await services.database.readWorkspace(workspaceId, look, scope);
  if (found) return found;
  const message = `There is no template ${template_id}.`;
  throw new Problem('refused', message, { errors: [{ path: '/body/template_id', message }] });
}

/** Throws a Problem that names each list and segment that is not there, or that says that they say too much. */
async function assertKnown(
  tx: Tx,
  workspaceId: string,
  { audience = {} }: Pick<Changes, 'audience'>,
): Promise<void> {
  const { exclude = {} } = audience;
  const parts = [
    ['/body/audience/list_ids', audience.list_ids, 'list', missingLists],
    ['/body/audience/segment_ids', audience.segment_ids, 'segment', missingSegments],
    ['/body/audience/exclude/list_ids', exclude.list_ids, 'list', missingLists],
    ['/body/audience/exclude/segment_ids', exclude.segment_ids, 'segment', missingSegments],
  ] as const;
  const errors: { path: string; message: string }[] = [];
  for (const [path, ids = [], what, unknownAmong] of parts)
    for (const id of ids.length === 0 ? [] : await unknownAmong(tx, workspaceId, ids))
      errors.push({ path: `${path}/${ids.indexOf(id)}`, message: `There is no ${what} ${id}.` });
  const [first] = errors;
  if (first) throw new Problem('refused', first.message, { errors });
  const { segment_ids: segmentIds = [] } = audience;
  const { segment_ids: excludedSegmentIds = [] } = exclude;
  const fault = await conditionsFault(tx, workspaceId, { segmentIds, excludedSegmentIds });
  if (fault !== undefined)
    throw new Problem('refused', fault, { errors: [{ path: '/body/audience', message: fault }] });
}
