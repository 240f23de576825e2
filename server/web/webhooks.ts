/**
 * Webhooks: endpoints of the workspace's own that are told what happens. A secret is in the answer that makes it and nowhere
 * else, so what makes one takes no Idempotency-Key: who lost the answer rotates the secret, or deletes the endpoint.
 */
import Type, { type Static } from 'typebox';
import type { Tx } from '../kernel/database.ts';
import { OwnNetworks } from '../webhooks/destination.ts';
import * as endpoints from '../webhooks/endpoints.ts';
import { EVENT_TYPES, type EventType } from '../webhooks/event-types.ts';
import type { EndpointRow } from '../webhooks/queries.ts';
import { type ApiRequest, created, endpoint, noContent, ok } from './endpoint.ts';
import { Id, Nothing, nullable, oneOf, strict, Time } from './schemas.ts';

const Events = Type.Array(oneOf(Object.keys(EVENT_TYPES) as EventType[], { $id: 'WebhookEventType' }), {
  minItems: 1,
  maxItems: Object.keys(EVENT_TYPES).length,
  description: Object.entries(EVENT_TYPES)
    .map(([type, what]) => `${type}: ${what}`)
    .join('\n'),
});
const Url = Type.String({
  minLength: 1,
  maxLength: 2_000,
  description: 'https://, on the public internet; redirects are not followed.',
});
const Description = Type.String({ maxLength: 500 });
const Secret = Type.String({ description: 'whsec_…, shown this once. The key is its base64 part, decoded.' });

const fields = {
  id: Id,
  url: Url,
  events: Type.Array(Type.String()),
  description: Description,
  created_at: Time,
  enabled: Type.Boolean(),
  disabled_for: nullable(
    oneOf(['asked', 'gone', 'failing'], {
      description:
        'asked: by somebody here. gone: it answered 410. failing: for five days, and ten tries at least, nothing succeeded.',
    }),
  ),
  failing_since: nullable(Time),
  failures: Type.Integer({ minimum: 0, description: 'Tries that failed since the last that succeeded.' }),
};

const WebhookSchema = strict(fields, { $id: 'Webhook' });
const NewWebhookSchema = strict({ ...fields, secret: Secret }, { $id: 'NewWebhook' });

export const list = endpoint({
  summary: 'All webhooks',
  scope: 'webhooks:read',
  idempotency: 'none',
  responses: { 200: strict({ data: Type.Array(WebhookSchema) }) },
  async handle({ workspaceId }, tx) {
    const rows = await endpoints.listEndpoints(tx, workspaceId);
    return ok({ data: rows.map(jsonOf) });
  },
});

export const create = endpoint({
  summary: 'Make a webhook',
  description:
    'What happens from now on is posted to it, at least once, signed as Standard Webhooks 1.0 says: HMAC-SHA256 over `webhook-id.webhook-timestamp.body`. Only a 2xx within 15 s is a success; otherwise it is tried ten times in about 75 hours, always with the same webhook-id. Order is likely and not promised.',
  scope: 'webhooks:write',
  idempotency: 'none',
  body: strict({ url: Url, events: Events, description: Type.Optional(Description) }),
  responses: { 201: NewWebhookSchema },
  problems: ['refused'],
  async handle(request, tx) {
    const { secrets } = request.services;
    const wish = { description: '', ...request.body };
    const made = await endpoints.createEndpoint(asking(request, tx), { secrets, own: ownOf(request) }, wish);
    const body = { ...jsonOf(made.endpoint), secret: made.secret };
    return created(`/v1/webhooks/${body.id}`, body);
  },
});

export const show = endpoint({
  summary: 'A webhook',
  scope: 'webhooks:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: WebhookSchema },
  async handle({ params, workspaceId }, tx) {
    return ok(jsonOf(await endpoints.findEndpoint(tx, { workspaceId, endpointId: params.id })));
  },
});

export const change = endpoint({
  summary: 'Change a webhook',
  description:
    'What is not said stays. What happens while it is disabled is not kept for it; what becomes due meanwhile fails, and can be replayed.',
  scope: 'webhooks:write',
  idempotency: 'none',
  params: { id: Id },
  body: strict({
    url: Type.Optional(Url),
    events: Type.Optional(Events),
    description: Type.Optional(Description),
    enabled: Type.Optional(Type.Boolean()),
  }),
  responses: { 200: WebhookSchema },
  problems: ['refused'],
  async handle(request, tx) {
    const { params, body } = request;
    return ok(jsonOf(await endpoints.changeEndpoint(asking(request, tx), ownOf(request), params.id, body)));
  },
});

export const remove = endpoint({
  summary: 'Delete a webhook',
  scope: 'webhooks:write',
  idempotency: 'none',
  params: { id: Id },
  responses: { 204: Nothing },
  async handle(request, tx) {
    await endpoints.deleteEndpoint(asking(request, tx), request.params.id);
    return noContent();
  },
});

export const rotateSecret = endpoint({
  summary: 'Replace the secret of a webhook',
  description: 'For a day every post has a signature of the old secret and one of the new.',
  scope: 'webhooks:write',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: strict({ secret: Secret, previous_valid_until: Time }) },
  problems: ['conflict'],
  async handle(request, tx) {
    const { params, services } = request;
    const rotated = await endpoints.rotateSecret(asking(request, tx), services.secrets, params.id);
    return ok({ secret: rotated.secret, previous_valid_until: rotated.previousUntil.toISOString() });
  },
});

function asking({ principal: actor, address }: ApiRequest, tx: Tx): endpoints.Asking {
  return { tx, actor, address };
}

function ownOf({ services }: ApiRequest): OwnNetworks {
  return new OwnNetworks(services.config.webhookNetworks);
}

function jsonOf(row: EndpointRow): Static<typeof WebhookSchema> {
  return {
    id: row.id,
    url: row.url,
    events: row.events,
    description: row.description,
    created_at: row.createdAt.toISOString(),
    enabled: row.disabledAt === null,
    disabled_for: row.disabledFor,
    failing_since: row.failingSince?.toISOString() ?? null,
    failures: row.failures,
  };
}
