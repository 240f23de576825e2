/** What a webhook was told, and how it went: its deliveries, sent again when asked for. */
import Type, { type Static } from 'typebox';
import type { Tx } from '../kernel/database.ts';
import * as endpoints from '../webhooks/endpoints.ts';
import type { DeliveryRow } from '../webhooks/queries.ts';
import { type ApiRequest, accepted, endpoint, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { Id, nullable, oneOf, strict, Time } from './schemas.ts';
import { readTime } from './time.ts';

/** In the year 2096. */
const MICROSECONDS_MAX = 4e15;

const DeliverySchema = strict(
  {
    id: Type.String({ format: 'uuid', description: 'The webhook-id of every attempt.' }),
    type: Type.String({ description: 'What happened: campaign.finished' }),
    occurred_at: Time,
    state: oneOf(['waiting', 'under_way', 'delivered', 'failed']),
    next_attempt_at: nullable(Time),
    attempts: Type.Array(
      strict({
        at: Time,
        ms: Type.Integer({ minimum: 0 }),
        status: nullable(Type.Integer({ description: 'Of the answer; null: there was none.' })),
        reply: nullable(Type.String({ description: 'How the answer begins.' })),
        error: nullable(Type.String()),
      }),
      { description: 'The last twenty.' },
    ),
  },
  { $id: 'WebhookDelivery' },
);

const Position = strict({ position: Type.Integer({ minimum: 0, maximum: MICROSECONDS_MAX }), id: Id });
const ofOne = { id: Id, delivery_id: Id };

export const list = endpoint({
  summary: 'What a webhook was told, the newest first',
  description: 'Kept for 30 days.',
  scope: 'webhooks:read',
  idempotency: 'none',
  params: { id: Id },
  query: { ...PAGE_QUERY, state: Type.Optional(oneOf(['failed'])) },
  responses: { 200: pageSchema(DeliverySchema) },
  async handle({ params, query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Position);
    const rows = await endpoints.listDeliveries(
      tx,
      { workspaceId, endpointId: params.id },
      { failedOnly: query.state === 'failed', after, limit: limit + 1 },
    );
    return ok(pageOf(rows, limit, { item: jsonOf, key: ({ position, id }) => ({ position, id }) }));
  },
});

export const show = endpoint({
  summary: 'One delivery of a webhook',
  scope: 'webhooks:read',
  idempotency: 'none',
  params: ofOne,
  responses: { 200: DeliverySchema },
  async handle({ params, workspaceId }, tx) {
    return ok(jsonOf(await endpoints.findDelivery(tx, keyOf(workspaceId, params))));
  },
});

export const test = endpoint({
  summary: 'Send a webhook a test event',
  description: 'Its type is webhook.test. Location tells how it went.',
  scope: 'webhooks:write',
  idempotency: 'optional',
  params: { id: Id },
  responses: { 202: DeliverySchema },
  problems: ['conflict'],
  async handle({ params, workspaceId }, tx) {
    const row = await endpoints.sendTestEvent(tx, { workspaceId, endpointId: params.id });
    return accepted(pathOf(params.id, row), jsonOf(row));
  },
});

export const replay = endpoint({
  summary: 'Send a delivery again',
  description: 'With the same webhook-id, and again up to ten times.',
  scope: 'webhooks:write',
  idempotency: 'optional',
  params: ofOne,
  responses: { 202: DeliverySchema },
  problems: ['conflict'],
  async handle({ params, workspaceId }, tx) {
    const row = await endpoints.replayOne(tx, keyOf(workspaceId, params));
    return accepted(pathOf(params.id, row), jsonOf(row));
  },
});

export const replayFailed = endpoint({
  summary: 'Send all again that failed',
  description: `Of what happened since then, the oldest first, ${endpoints.REPLAYED_AT_ONCE} at once: while has_more, ask again.`,
  scope: 'webhooks:write',
  idempotency: 'optional',
  params: { id: Id },
  body: strict({ since: Time }),
  responses: { 200: strict({ replayed: Type.Integer({ minimum: 0 }), has_more: Type.Boolean() }) },
  problems: ['conflict'],
  async handle(request, tx) {
    const { params, body } = request;
    const since = readTime(body.since, '/body/since');
    const replayed = await endpoints.replayFailed(asking(request, tx), params.id, since);
    return ok({ replayed, has_more: replayed === endpoints.REPLAYED_AT_ONCE });
  },
});

function asking({ principal: actor, address }: ApiRequest, tx: Tx): endpoints.Asking {
  return { tx, actor, address };
}

function keyOf(workspaceId: string, { id, delivery_id }: { id: string; delivery_id: string }) {
  return { workspaceId, endpointId: id, deliveryId: delivery_id };
}

function pathOf(endpointId: string, { id }: DeliveryRow): string {
  return `/v1/webhooks/${endpointId}/deliveries/${id}`;
}

function jsonOf(row: DeliveryRow): Static<typeof DeliverySchema> {
  return {
    id: row.id,
    type: row.type,
    occurred_at: row.occurredAt.toISOString(),
    state: row.state === 'claimed' ? 'under_way' : row.state,
    next_attempt_at: row.dueAt?.toISOString() ?? null,
    attempts: row.attempts,
  };
}
