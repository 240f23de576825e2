/**
 * Segments: people who are described rather than listed. Rules are read by the audience (audience/segment-rules.ts), which
 * says in one sentence what is wrong and where; the schema here is what it takes, for the OpenAPI document and for answers.
 */
import Type, { type Static } from 'typebox';
import { audit } from '../accounts/audit.ts';
import { rulesSchema } from '../audience/segment-rules.ts';
import * as segments from '../audience/segments.ts';
import type { Tx } from '../kernel/database.ts';
import { created, endpoint, noContent, ok } from './endpoint.ts';
import { etagOf, requireMatch } from './etag.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { notFound } from './problem.ts';
import { Id, Nothing, nullable, strict, Time } from './schemas.ts';

/** What is counted reads every contact of the workspace. */
const COUNT_MS_MAX = 20_000;

const Name = Type.String({ minLength: 1, maxLength: 200 });

const documented = rulesSchema();

/** A branch of a union cannot say what was meant; `readRules` can. So any object is let through to it. */
const Rules = Type.Unsafe<object>(
  Object.defineProperty({ type: 'object' }, 'toJSON', { value: () => documented }),
);

const SegmentSchema = strict(
  {
    id: Id,
    name: Type.String(),
    rules: Rules,
    sentence: Type.String({ description: 'The rules in plain English.' }),
    created_at: Time,
    updated_at: Time,
  },
  { $id: 'Segment' },
);

const MemberSchema = strict(
  { id: Id, email: Type.String(), name: nullable(Type.String()) },
  { $id: 'SegmentMember' },
);

const COUNT = {
  count: Type.Integer({ minimum: 0, description: 'Exact.' }),
  as_of: Type.String({
    format: 'date-time',
    description: 'What it is true of; relative dates count from it.',
  }),
};

export const list = endpoint({
  summary: 'Segments, by name',
  scope: 'contacts:read',
  idempotency: 'none',
  query: PAGE_QUERY,
  responses: { 200: pageSchema(SegmentSchema) },
  async handle({ query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Type.String({ maxLength: 200 }));
    const rows = await segments.listSegments(tx, workspaceId, { after, limit: limit + 1 });
    const { data, next_cursor } = pageOf(rows, limit, { item: (row) => row, key: ({ name }) => name });
    return ok({ data: await jsonOfAll(tx, workspaceId, data), next_cursor });
  },
});

export const create = endpoint({
  summary: 'Make a segment',
  scope: 'contacts:write',
  idempotency: 'optional',
  body: strict({ name: Name, rules: Rules }),
  responses: { 201: SegmentSchema },
  problems: ['conflict', 'refused'],
  async handle({ body, principal, workspaceId, address }, tx) {
    const segment = await segments.createSegment(tx, workspaceId, body);
    const json = await jsonOf(tx, workspaceId, segment);
    const after = { name: segment.name, rules: segment.rules };
    await audit(tx, principal, {
      action: 'segment.created',
      subject: `segment/${segment.id}`,
      after,
      address,
    });
    const answer = created(`/v1/segments/${segment.id}`, json);
    return { ...answer, headers: { ...answer.headers, etag: etagOf(segment.version) } };
  },
});

export const show = endpoint({
  summary: 'A segment',
  scope: 'contacts:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: SegmentSchema },
  async handle({ params, workspaceId }, tx) {
    const segment = await segments.findSegment(tx, workspaceId, params.id);
    return ok(await jsonOf(tx, workspaceId, segment), { etag: etagOf(segment.version) });
  },
});

export const update = endpoint({
  summary: 'Change a segment',
  description:
    'Needs If-Match with the ETag of the version that was read. A campaign whose freeze has begun keeps the rules that it began with.',
  scope: 'contacts:write',
  idempotency: 'none',
  params: { id: Id },
  body: strict({ name: Type.Optional(Name), rules: Type.Optional(Rules) }),
  responses: { 200: SegmentSchema },
  problems: ['conflict', 'precondition-failed', 'precondition-required', 'refused'],
  async handle({ params, body, headers, principal, workspaceId, address }, tx) {
    const before = await segments.lockSegment(tx, workspaceId, params.id);
    requireMatch(headers, etagOf(before.version));
    const after = await segments.updateSegment(tx, workspaceId, before, body);
    const json = await jsonOf(tx, workspaceId, after);
    await audit(tx, principal, {
      action: 'segment.updated',
      subject: `segment/${params.id}`,
      before: { name: before.name, rules: before.rules },
      after: { name: after.name, rules: after.rules },
      address,
    });
    return ok(json, { etag: etagOf(after.version) });
  },
});

export const remove = endpoint({
  summary: 'Delete a segment',
  description: 'Not while it is in the audience of a campaign that has not begun.',
  scope: 'contacts:write',
  idempotency: 'none',
  params: { id: Id },
  responses: { 204: Nothing },
  problems: ['conflict'],
  async handle({ params, principal, workspaceId, address }, tx) {
    const { name, rules } = await segments.deleteSegment(tx, workspaceId, params.id);
    const subject = `segment/${params.id}`;
    await audit(tx, principal, { action: 'segment.deleted', subject, before: { name, rules }, address });
    return noContent();
  },
});

export const count = endpoint({
  summary: 'How many people are in a segment',
  scope: 'contacts:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: strict(COUNT) },
  deadlineMs: COUNT_MS_MAX,
  load: 'bulk',
  async handle({ params, workspaceId }, tx) {
    const { rules } = await segments.findSegment(tx, workspaceId, params.id);
    return ok(countJson(await segments.countMembers(tx, workspaceId, rules)));
  },
});

export const sample = endpoint({
  summary: 'The ten newest people in a segment',
  scope: 'contacts:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: strict({ data: Type.Array(MemberSchema) }) },
  deadlineMs: COUNT_MS_MAX,
  load: 'bulk',
  async handle({ params, workspaceId }, tx) {
    const { rules } = await segments.findSegment(tx, workspaceId, params.id);
    return ok({ data: await segments.sampleMembers(tx, workspaceId, rules) });
  },
});

export const members = endpoint({
  summary: 'The people in a segment',
  scope: 'contacts:read',
  idempotency: 'none',
  params: { id: Id },
  query: PAGE_QUERY,
  responses: { 200: pageSchema(MemberSchema) },
  deadlineMs: COUNT_MS_MAX,
  load: 'bulk',
  async handle({ params, query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Id);
    const { rules } = await segments.findSegment(tx, workspaceId, params.id);
    const rows = await segments.membersOf(tx, workspaceId, rules, { after, limit: limit + 1 });
    return ok(pageOf(rows, limit, { item: (row) => row, key: ({ id }) => id }));
  },
});

export const preview = endpoint({
  summary: 'Whom rules would describe',
  description: 'Keeps nothing.',
  scope: 'contacts:read',
  idempotency: 'none',
  body: strict({ rules: Rules }),
  responses: { 200: strict({ ...COUNT, sentence: Type.String(), sample: Type.Array(MemberSchema) }) },
  problems: ['refused'],
  deadlineMs: COUNT_MS_MAX,
  load: 'bulk',
  async handle({ body, workspaceId }, tx) {
    const rules = await segments.checkedRules(tx, workspaceId, body.rules);
    const counted = await segments.countMembers(tx, workspaceId, rules);
    const people = await segments.sampleMembers(tx, workspaceId, rules);
    const [sentence = ''] = await segments.sentencesOf(tx, workspaceId, [rules]);
    return ok({ ...countJson(counted), sentence, sample: people });
  },
});

export const explain = endpoint({
  summary: 'Why a contact is in a segment, or is not',
  scope: 'contacts:read',
  idempotency: 'none',
  params: { id: Id, contact_id: Id },
  responses: {
    200: strict(
      {
        contact: MemberSchema,
        is_member: Type.Boolean(),
        as_of: Time,
        sentence: Type.String({ description: 'The rules in plain English.' }),
        conditions: Type.Array(
          strict({
            pointer: Type.String({ description: 'Where in the rules the condition stands (RFC 6901).' }),
            sentence: Type.String(),
            held: Type.Boolean({ description: 'Whether what the sentence says is so.' }),
            value: Type.Unknown({ description: 'What the contact has there; null: nothing.' }),
          }),
        ),
      },
      { $id: 'SegmentExplanation' },
    ),
  },
  async handle({ params, workspaceId }, tx) {
    const { rules } = await segments.findSegment(tx, workspaceId, params.id);
    const explained = await segments.explainMember(tx, workspaceId, rules, params.contact_id);
    if (!explained) throw notFound('contact');
    const { isMember, asOf, ...rest } = explained;
    return ok({ ...rest, is_member: isMember, as_of: asOf.toISOString() });
  },
});

function countJson({ count, asOf }: segments.Counted) {
  return { count, as_of: asOf.toISOString() };
}

type SegmentJson = Static<typeof SegmentSchema>;

async function jsonOf(tx: Tx, workspaceId: string, segment: segments.Segment): Promise<SegmentJson> {
  const [json] = await jsonOfAll(tx, workspaceId, [segment]);
  if (!json) throw new Error('one segment gave no JSON');
  return json;
}

async function jsonOfAll(tx: Tx, workspaceId: string, rows: segments.Segment[]): Promise<SegmentJson[]> {
  const rules = rows.map((row) => row.rules);
  const sentences = await segments.sentencesOf(tx, workspaceId, rules);
  return rows.map(({ id, name, rules, createdAt, updatedAt }, index) => ({
    id,
    name,
    rules,
    sentence: sentences[index] ?? '',
    created_at: createdAt.toISOString(),
    updated_at: updatedAt.toISOString(),
  }));
}
