/**
 * Sources, their warm-up, and pools: the addresses that mail leaves from on its way to the recipients' mail servers. They
 * belong to the installation, because an address has one reputation for everybody who sends from it: only who runs the
 * installation may see or change them.
 */
import Type, { type Static } from 'typebox';
import { readWorkspace } from '../accounts/workspaces.ts';
import { grantPool, openPool, revokePool } from '../senders/pools.ts';
import { allPools, allSources, type SourceRow } from '../senders/queries-routes.ts';
import { DEFAULT_POOL } from '../senders/routes-text.ts';
import { checkSource } from '../senders/source-check.ts';
import { addSource, endWarmUp, findSource, removeSource, setWarmUp, usableHere } from '../senders/sources.ts';
import { dayOf, warmUpPerDay } from '../senders/warm-up.ts';
import { endpoint, noContent, ok } from './endpoint.ts';
import { auditAlone } from './installation.ts';
import { Id, Nothing, nullable, oneOf, strict } from './schemas.ts';

const CHECK_MS_MAX = 25_000;
const MESSAGES_MAX = 2_000_000_000;

const Address = Type.String({ minLength: 2, maxLength: 45, description: 'IPv4 or IPv6.' });
const PoolName = Type.String({ minLength: 1, maxLength: 40 });
const Provider = Type.String({
  minLength: 1,
  maxLength: 40,
  description: 'A mailbox provider; * for all others.',
});

const RAMP = {
  start: Type.String({ format: 'date', description: 'The first day, UTC.' }),
  from: Type.Integer({ minimum: 1, maximum: MESSAGES_MAX, description: 'Messages on the first day.' }),
  factor: Type.Number({
    minimum: 1.01,
    maximum: 10,
    description: 'So many times as many on each day after.',
  }),
  until: Type.Integer({
    minimum: 1,
    maximum: MESSAGES_MAX,
    description: 'No limit from the day on that would reach this many.',
  }),
};

const SourceSchema = strict(
  {
    address: Type.String(),
    public_address: nullable(Type.String({ description: 'What others see of it, behind NAT.' })),
    helo_name: Type.String(),
    pool: Type.String(),
    pool_is_open: Type.Boolean({ description: 'Whether every workspace may use the pool.' }),
    weight: Type.Integer(),
    is_here: Type.Boolean({ description: 'Whether the machine that answers has the address.' }),
    warm_ups: Type.Array(
      strict({
        provider: Type.String(),
        ...RAMP,
        today: nullable(Type.Integer({ description: 'Messages that it may send today; null: it is warm.' })),
      }),
    ),
  },
  { $id: 'Source' },
);

export const list = endpoint({
  summary: 'All source addresses of the installation',
  scope: 'installation:read',
  idempotency: 'none',
  responses: { 200: strict({ data: Type.Array(SourceSchema) }) },
  async run({ services }) {
    const sources = await services.database.withSystem(allSources);
    return ok({ data: sources.map(jsonOf) });
  },
});

export const set = endpoint({
  summary: 'Add a source address, or change it',
  description: 'The machine that has the address sends from it.',
  scope: 'installation:write',
  idempotency: 'none',
  params: { address: Address },
  body: strict({
    helo_name: Type.String({ minLength: 1, maxLength: 253, description: 'Its reverse name.' }),
    public_address: Type.Optional(nullable(Address)),
    pool: Type.Optional(PoolName),
    weight: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000, description: 'Its share of the pool.' }),
    ),
  }),
  responses: { 200: SourceSchema },
  problems: ['refused'],
  async run(request) {
    const { params, body, services } = request;
    const {
      helo_name: heloName,
      public_address: publicAddress = null,
      pool = DEFAULT_POOL,
      weight = 1,
    } = body;
    const { address } = params;
    await addSource(services.database, { address, publicAddress, heloName, pool, weight });
    await auditAlone(request, { action: 'source.set', subject: `source/${address}`, after: body });
    return ok(jsonOf(await findSource(services.database, address)));
  },
});

export const remove = endpoint({
  summary: 'Forget a source address, and its warm-up',
  scope: 'installation:write',
  idempotency: 'none',
  params: { address: Address },
  responses: { 204: Nothing },
  problems: ['refused'],
  async run(request) {
    const { address } = request.params;
    await removeSource(request.services.database, address);
    await auditAlone(request, { action: 'source.removed', subject: `source/${address}` });
    return noContent();
  },
});

export const check = endpoint({
  summary: 'Look up the reverse name of a source, and whether that leads back to it',
  scope: 'installation:write',
  idempotency: 'none',
  deadlineMs: CHECK_MS_MAX,
  params: { address: Address },
  responses: {
    200: strict({
      data: Type.Array(
        strict({
          purpose: oneOf(['reverse', 'forward']),
          type: oneOf(['PTR', 'A', 'AAAA']),
          name: Type.String(),
          value: Type.String({ description: 'What should be there.' }),
          found: Type.Array(Type.String()),
          verdict: oneOf(['ok', 'missing', 'wrong', 'unknown']),
          advice: nullable(Type.String()),
        }),
      ),
    }),
  },
  problems: ['refused'],
  async run({ params, services, scope }) {
    const source = await findSource(services.database, params.address);
    const records = await checkSource(scope, services.resolver, source);
    return ok({
      data: records.map(({ expected, found, ...record }) => ({
        ...record,
        value: expected,
        found: [...found],
      })),
    });
  },
});

export const warmUp = endpoint({
  summary: 'How many messages a source may send to a provider on a day, more every day',
  scope: 'installation:write',
  idempotency: 'none',
  params: { address: Address, provider: Provider },
  body: strict(RAMP),
  responses: { 200: SourceSchema },
  problems: ['refused'],
  async run(request) {
    const { params, body, services } = request;
    const { address, provider } = params;
    await setWarmUp(services.database, address, { provider, ...body });
    await auditAlone(request, {
      action: 'source.warm_up_set',
      subject: `source/${address}`,
      after: { provider, ...body },
    });
    return ok(jsonOf(await findSource(services.database, address)));
  },
});

export const warm = endpoint({
  summary: 'A source is warm at a provider',
  scope: 'installation:write',
  idempotency: 'none',
  params: { address: Address, provider: Provider },
  responses: { 204: Nothing },
  problems: ['refused'],
  async run(request) {
    const { address, provider } = request.params;
    await endWarmUp(request.services.database, address, provider);
    const subject = `source/${address}`;
    await auditAlone(request, { action: 'source.warm_up_ended', subject, before: { provider } });
    return noContent();
  },
});

export const pools = endpoint({
  summary: 'The pools that sources stand in',
  scope: 'installation:read',
  idempotency: 'none',
  responses: {
    200: strict({
      data: Type.Array(
        strict({
          name: Type.String(),
          open: Type.Boolean({ description: 'False: only workspaces that it was granted to use it.' }),
          sources: Type.Integer(),
        }),
      ),
    }),
  },
  run: async ({ services }) => ok({ data: await services.database.withSystem(allPools) }),
});

export const grant = endpoint({
  summary: 'Only workspaces that a pool was granted to, this one among them, may use it',
  scope: 'installation:write',
  idempotency: 'none',
  params: { pool: PoolName, workspace_id: Id },
  responses: { 204: Nothing },
  async run(request) {
    const { pool, workspace_id: workspaceId } = request.params;
    const { database } = request.services;
    await readWorkspace(database, workspaceId);
    await grantPool(database, workspaceId, pool);
    await auditAlone(request, { action: 'pool.granted', subject: `pool/${pool}`, after: { workspaceId } });
    return noContent();
  },
});

export const revoke = endpoint({
  summary: 'This workspace may not use a pool any more',
  scope: 'installation:write',
  idempotency: 'none',
  params: { pool: PoolName, workspace_id: Id },
  responses: { 204: Nothing },
  problems: ['conflict'],
  async run(request) {
    const { pool, workspace_id: workspaceId } = request.params;
    await revokePool(request.services.database, workspaceId, pool);
    await auditAlone(request, { action: 'pool.revoked', subject: `pool/${pool}`, before: { workspaceId } });
    return noContent();
  },
});

export const open = endpoint({
  summary: 'Every workspace may use a pool',
  scope: 'installation:write',
  idempotency: 'optional',
  params: { pool: PoolName },
  responses: { 204: Nothing },
  async run(request) {
    const { pool } = request.params;
    await openPool(request.services.database, request.workspaceId, pool);
    await auditAlone(request, { action: 'pool.opened', subject: `pool/${pool}` });
    return noContent();
  },
});

function jsonOf(source: SourceRow): Static<typeof SourceSchema> {
  const today = dayOf(new Date());
  const { address, publicAddress, heloName, pool, open, weight, warmUps } = source;
  return {
    address,
    public_address: publicAddress,
    helo_name: heloName,
    pool,
    pool_is_open: open,
    weight,
    is_here: usableHere(source),
    warm_ups: warmUps.map((ramp) => ({ ...ramp, today: warmUpPerDay(source, ramp.provider, today) })),
  };
}
