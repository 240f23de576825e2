/** Routes: how the mail of a sending domain gets out. A route is a text, as a person writes it (senders/routes-text.ts). */
import Type, { type Static } from 'typebox';
import { audit } from '../accounts/audit.ts';
import { readDomain } from '../senders/domain-names.ts';
import { findSendingRoute, sendingRoutePage } from '../senders/queries-routes.ts';
import { environmentRoute, type Route, removeRoute, routePlanOf, setRoute } from '../senders/routes.ts';
import { nameOfWay } from '../senders/routes-text.ts';
import { DomainName } from './domains.ts';
import { endpoint, noContent, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { notFound } from './problem.ts';
import { Nothing, strict, Time } from './schemas.ts';

const ForDomain = Type.String({
  minLength: 1,
  maxLength: 253,
  description: 'A sending domain; * stands for all that have no route.',
});

const RouteSchema = strict(
  {
    domain: ForDomain,
    route: Type.String({
      description:
        'relay:NAME, direct or direct:POOL, *SHARE behind it, commas between, and / before what is used while nothing before it works.',
    }),
    changed_at: Time,
  },
  { $id: 'DeliveryRoute' },
);

export const list = endpoint({
  summary: 'The routes of the workspace, by domain',
  scope: 'domains:read',
  idempotency: 'none',
  query: PAGE_QUERY,
  responses: { 200: pageSchema(RouteSchema) },
  async handle({ query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Type.String({ maxLength: 253 }));
    const rows = await sendingRoutePage(tx, workspaceId, after ?? '', limit + 1);
    return ok(pageOf(rows, limit, { item: jsonOf, key: ({ domain }) => domain }));
  },
});

export const set = endpoint({
  summary: 'Give a sending domain a route, instead of the one that it may have',
  description: 'For the domain and those below it: relay:main*3, direct:bulk / relay:backup',
  scope: 'domains:write',
  idempotency: 'optional',
  body: strict({ domain: ForDomain, route: Type.String({ minLength: 1, maxLength: 2_000 }) }),
  responses: { 200: RouteSchema },
  problems: ['refused'],
  async handle({ body, principal, services, workspaceId, address }, tx) {
    const fallback = environmentRoute(services.config);
    const { domain, route } = await setRoute(tx, services.secrets, workspaceId, { ...body, fallback });
    const after = { route };
    await audit(tx, principal, { action: 'route.set', subject: `route/${domain}`, after, address });
    const found = await findSendingRoute(tx, workspaceId, domain);
    if (!found) throw new Error('a route that was set is there');
    return ok(jsonOf(found));
  },
});

export const show = endpoint({
  summary: 'The route that a domain was given',
  scope: 'domains:read',
  idempotency: 'none',
  params: { domain: ForDomain },
  responses: { 200: RouteSchema },
  async handle({ params, workspaceId }, tx) {
    const found = await findSendingRoute(tx, workspaceId, params.domain.toLowerCase());
    if (!found) throw notFound('route');
    return ok(jsonOf(found));
  },
});

export const remove = endpoint({
  summary: 'Take a domain’s route away',
  description: 'It goes where others without a route go.',
  scope: 'domains:write',
  idempotency: 'none',
  params: { domain: ForDomain },
  responses: { 204: Nothing },
  async handle({ params, principal, workspaceId, address }, tx) {
    const found = await findSendingRoute(tx, workspaceId, params.domain.toLowerCase());
    if (!found) throw notFound('route');
    const domain = await removeRoute(tx, workspaceId, found.domain);
    const before = { route: found.route };
    await audit(tx, principal, { action: 'route.removed', subject: `route/${domain}`, before, address });
    return noContent();
  },
});

export const plan = endpoint({
  summary: 'What the mail of a domain does',
  description: 'By its own route, by that of a domain above it, by *, or as the installation’s settings say.',
  scope: 'domains:read',
  idempotency: 'none',
  query: { domain: DomainName },
  responses: {
    200: strict({
      domain: Type.String(),
      levels: Type.Array(
        Type.Array(
          strict({
            way: Type.String({ description: 'relay:NAME, direct or direct:POOL' }),
            share: Type.Integer(),
          }),
        ),
        { description: 'The next level is used while nothing of the one before is usable.' },
      ),
      problems: Type.Array(Type.String({ description: 'A sentence for each way that lacks something.' })),
    }),
  },
  problems: ['refused'],
  async handle({ query, services, workspaceId }, tx) {
    const domain = readDomain(query.domain);
    const fallback = environmentRoute(services.config);
    const { levels, problems } = await routePlanOf(tx, services.secrets, workspaceId, domain, fallback);
    return ok({ domain, levels: levels.map((level) => level.map(wayOf)), problems: [...problems] });
  },
});

function wayOf(route: Route): { way: string; share: number } {
  const { kind, weight } = route;
  return { way: nameOfWay({ kind, name: kind === 'relay' ? route.name : route.pool }), share: weight };
}

function jsonOf({
  domain,
  route,
  changedAt,
}: {
  domain: string;
  route: string;
  changedAt: Date;
}): Static<typeof RouteSchema> {
  return { domain, route, changed_at: changedAt.toISOString() };
}
