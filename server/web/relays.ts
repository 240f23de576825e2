/**
 * Relays: the SMTP servers that the workspace hands its mail to. A relay is named; its URL has a password in it, so it goes
 * in and never comes out.
 *
 * Who runs the installation may name a relay on a private network. Whoever else adds one reaches the public internet with
 * it, at the ports of mail, and nothing else: a test of a relay would be a look around in the network behind Camp.
 */
import Type, { type Static } from 'typebox';
import { audit } from '../accounts/audit.ts';
import type { Principal } from '../accounts/principal.ts';
import type { Tx } from '../kernel/database.ts';
import {
  findRelay,
  relayPage,
  removeRelay,
  resumeRelay,
  saveRelay,
  type TroubledRelay,
} from '../senders/relays.ts';
import { tryRelay } from '../senders/try-relay.ts';
import { created, endpoint, noContent, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { Problem } from './problem.ts';
import { Nothing, nullable, oneOf, strict, Time } from './schemas.ts';

const TEST_MS_MAX = 20_000;

const RelayName = Type.String({
  minLength: 1,
  maxLength: 40,
  description: 'Small letters, digits, hyphens.',
});

const RelayUrl = Type.String({
  minLength: 1,
  maxLength: 2_000,
  writeOnly: true,
  description:
    'smtp://user:password@host:587, or smtps://; what is special in a password is percent-encoded.',
});

const RelaySchema = strict(
  {
    name: Type.String(),
    host: nullable(
      Type.String({ description: 'Null: the URL does not open any more, and `error` says why.' }),
    ),
    port: nullable(Type.Integer()),
    tls: nullable(oneOf(['none', 'opportunistic', 'required', 'implicit'])),
    verify: nullable(Type.Boolean({ description: 'Whether the certificate is checked.' })),
    user: nullable(Type.String()),
    error: nullable(Type.String()),
    trouble: nullable(
      strict({
        failures: Type.Integer({ description: 'In a row.' }),
        paused_until: nullable(Time),
        reason: nullable(Type.String()),
      }),
    ),
    created_at: Time,
    changed_at: Time,
  },
  { $id: 'Relay' },
);

export const list = endpoint({
  summary: 'The relays of the workspace, by name',
  description: 'Without the one of SMTP_URL, which is the installation’s.',
  scope: 'domains:read',
  idempotency: 'none',
  query: PAGE_QUERY,
  responses: { 200: pageSchema(RelaySchema) },
  async handle({ query, services, workspaceId }, tx) {
    const { limit, after } = readPage(query, Type.String({ maxLength: 100 }));
    const rows = await relayPage(tx, services.secrets, workspaceId, after, limit + 1);
    return ok(pageOf(rows, limit, { item: jsonOf, key: ({ name }) => name }));
  },
});

export const create = endpoint({
  summary: 'Add a relay',
  scope: 'domains:write',
  idempotency: 'optional',
  body: strict({ name: RelayName, url: RelayUrl }),
  responses: { 201: RelaySchema },
  problems: ['conflict', 'refused'],
  async handle({ body, principal, services, workspaceId, address }, tx) {
    const { name } = body;
    const isNew = await saveRelay(tx, services.secrets, workspaceId, {
      ...body,
      trusted: isTrusted(principal),
    });
    if (!isNew)
      throw new Problem('conflict', `There is a relay ${name} already: change it, or take another name.`);
    await audit(tx, principal, { action: 'relay.added', subject: `relay/${name}`, address });
    return created(`/v1/relays/${name}`, jsonOf(await findRelay(tx, services.secrets, workspaceId, name)));
  },
});

export const show = endpoint({
  summary: 'A relay, and whether it is in trouble',
  scope: 'domains:read',
  idempotency: 'none',
  params: { name: RelayName },
  responses: { 200: RelaySchema },
  async handle({ params, services, workspaceId }, tx) {
    return ok(jsonOf(await findRelay(tx, services.secrets, workspaceId, params.name)));
  },
});

export const change = endpoint({
  summary: 'Give a relay another URL',
  description: 'Its trouble is forgotten.',
  scope: 'domains:write',
  idempotency: 'none',
  params: { name: RelayName },
  body: strict({ url: RelayUrl }),
  responses: { 200: RelaySchema },
  problems: ['refused'],
  async handle({ body, params, principal, services, workspaceId, address }, tx) {
    const { name } = params;
    await findRelay(tx, services.secrets, workspaceId, name);
    const trusted = isTrusted(principal);
    await saveRelay(tx, services.secrets, workspaceId, { name, url: body.url, trusted });
    await audit(tx, principal, { action: 'relay.changed', subject: `relay/${name}`, address });
    return ok(jsonOf(await findRelay(tx, services.secrets, workspaceId, name)));
  },
});

export const remove = endpoint({
  summary: 'Forget a relay',
  description: 'Refused while a route names it.',
  scope: 'domains:write',
  idempotency: 'none',
  params: { name: RelayName },
  responses: { 204: Nothing },
  problems: ['conflict'],
  async handle({ params, principal, workspaceId, address }, tx) {
    await removeRelay(tx, workspaceId, params.name);
    await audit(tx, principal, { action: 'relay.removed', subject: `relay/${params.name}`, address });
    return noContent();
  },
});

export const test = endpoint({
  summary: 'Connect to a relay, encrypt and log in, as a worker would',
  scope: 'domains:write',
  idempotency: 'none',
  deadlineMs: TEST_MS_MAX + 5_000,
  params: { name: RelayName },
  responses: {
    200: strict({
      ok: Type.Boolean(),
      failure: nullable(Type.String({ description: 'What was said or missing, as half a sentence.' })),
      encrypted: Type.Boolean(),
      logged_in: Type.Boolean(),
      offers: Type.Array(Type.String(), { description: 'SMTP extensions.' }),
    }),
  },
  problems: ['refused'],
  async run({ params, services, workspaceId, scope }) {
    const { database, secrets, config } = services;
    const find = (tx: Tx) => findRelay(tx, secrets, workspaceId, params.name);
    const relay = await database.readWorkspace(workspaceId, find, scope);
    if (relay.kind === 'sealed') throw new Problem('refused', relay.error);
    await using trying = scope.child('relay test', { deadlineMs: TEST_MS_MAX });
    const tried = await tryRelay(trying, relay.options, config.heloName);
    if (tried.kind === 'failed')
      return ok({ ok: false, failure: tried.failure, encrypted: false, logged_in: false, offers: [] });
    const { encrypted, loggedIn, offers } = tried;
    return ok({ ok: true, failure: null, encrypted, logged_in: loggedIn, offers });
  },
});

export const resume = endpoint({
  summary: 'Forget a relay’s trouble: what waits for it is tried at once',
  scope: 'domains:write',
  idempotency: 'optional',
  params: { name: RelayName },
  responses: { 204: Nothing },
  async handle({ params, principal, workspaceId, address }, tx) {
    await resumeRelay(tx, workspaceId, params.name);
    await audit(tx, principal, { action: 'relay.resumed', subject: `relay/${params.name}`, address });
    return noContent();
  },
});

function isTrusted({ scopes }: Principal): boolean {
  return scopes.includes('installation:write');
}

function jsonOf(relay: TroubledRelay): Static<typeof RelaySchema> {
  const { name, failures, pausedUntil, reason, createdAt, changedAt } = relay;
  const known = relay.kind === 'relay' ? relay.options : null;
  return {
    name,
    host: known?.host ?? null,
    port: known?.port ?? null,
    tls: known?.tls ?? null,
    verify: known?.verify ?? null,
    user: known?.credentials?.user ?? null,
    error: relay.kind === 'sealed' ? relay.error : null,
    trouble: failures ? { failures, paused_until: pausedUntil?.toISOString() ?? null, reason } : null,
    created_at: createdAt.toISOString(),
    changed_at: changedAt.toISOString(),
  };
}
