/**
 * Sending domains: which records they need in the DNS, what was found of them, and their DKIM keys. A domain is named by
 * itself. To show one asks nobody; a check asks the DNS, within the request's time, and moves the keys on.
 */
import Type, { type Static } from 'typebox';
import { type AuditedAction, audit } from '../accounts/audit.ts';
import type { Tx } from '../kernel/database.ts';
import { DomainRefused, readDomain } from '../senders/domain-names.ts';
import {
  addDomain,
  checkDomain,
  domainPage,
  findDomain,
  removeDomain,
  retireKey,
  rotateDomain,
  type SendingDomain,
} from '../senders/domains.ts';
import { describeInstallation, type Installation } from '../senders/installation.ts';
import { shownRecords } from '../senders/shown-domain.ts';
import { type Answer, type ApiRequest, created, endpoint, noContent, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { notFound, type Problem } from './problem.ts';
import { Nothing, nullable, oneOf, strict, Time } from './schemas.ts';

const CHECK_MS_MAX = 25_000;

/** Also as it is written with other letters than ASCII's. */
export const DomainName = Type.String({
  minLength: 1,
  maxLength: 253,
  description: 'What stands after the @ of the sender.',
});

const ALGORITHMS = ['rsa-sha256', 'ed25519-sha256'] as const;

const Algorithm = oneOf(ALGORITHMS, {
  description: 'ed25519-sha256 signs beside the other; few receivers verify it.',
});

const DnsRecordSchema = strict(
  {
    purpose: oneOf(['dkim', 'spf', 'dmarc', 'bounce', 'tracking']),
    type: oneOf(['TXT', 'MX', 'CNAME']),
    name: Type.String(),
    value: Type.String({ description: 'TXT in one piece; MX: preference and host.' }),
    zone: Type.String({ description: 'The record as a line of a zone file.' }),
    required: Type.Boolean({ description: 'False: mail can do without it.' }),
    found: Type.Array(Type.String(), { description: 'What the DNS had, at the last check.' }),
    verdict: oneOf(['ok', 'missing', 'wrong', 'unknown', 'unchecked'], {
      description: 'unknown: the DNS did not answer; unchecked: nobody has looked yet.',
    }),
    advice: nullable(Type.String({ description: 'What to do, in a sentence.' })),
  },
  { $id: 'DnsRecord' },
);

const DomainSchema = strict(
  {
    domain: Type.String(),
    signs: Type.Boolean({ description: 'Whether a key signs its mail.' }),
    created_at: Time,
    checked_at: nullable(Time),
    keys: Type.Array(
      strict({
        selector: Type.String(),
        algorithm: Algorithm,
        state: oneOf(['pending', 'active', 'retiring'], {
          description:
            'pending: waits for its record; active: signs; retiring: its record stays until what it signed has arrived.',
        }),
        created_at: Time,
        retiring_at: nullable(Time),
      }),
    ),
    records: Type.Array(DnsRecordSchema),
  },
  { $id: 'Domain' },
);

export const list = endpoint({
  summary: 'The domains that the workspace sends as, by name',
  scope: 'domains:read',
  idempotency: 'none',
  query: PAGE_QUERY,
  responses: { 200: pageSchema(DomainSchema) },
  async run({ query, services, workspaceId, scope }) {
    const { limit, after } = readPage(query, Type.String({ maxLength: 253 }));
    const installation = await describeInstallation(services.database, services.config);
    const read = (tx: Tx) => domainPage(tx, workspaceId, after, limit + 1);
    const rows = await services.database.readWorkspace(workspaceId, read, scope);
    return ok(pageOf(rows, limit, { item: (row) => jsonOf(row, installation), key: ({ domain }) => domain }));
  },
});

export const create = endpoint({
  summary: 'Add a domain, and make its DKIM key',
  description: 'What it has already, stays. The answer has the DNS records to publish; then check it.',
  scope: 'domains:write',
  idempotency: 'optional',
  body: strict({
    domain: DomainName,
    algorithms: Type.Optional(
      Type.Array(Algorithm, { minItems: 1, uniqueItems: true, description: 'Default: rsa-sha256.' }),
    ),
  }),
  responses: { 201: DomainSchema },
  problems: ['refused'],
  async run(request) {
    const { body, services, workspaceId } = request;
    const { algorithms = ['rsa-sha256'] } = body;
    const work = (tx: Tx) => addDomain(tx, services.secrets, workspaceId, body.domain, algorithms);
    return change(request, { action: 'domain.added', after: { algorithms } }, work, createdDomain);
  },
});

export const show = endpoint({
  summary: 'A domain, its keys, and the DNS records that it needs',
  scope: 'domains:read',
  idempotency: 'none',
  params: { domain: DomainName },
  responses: { 200: DomainSchema },
  run: async (request) => ok(await shownNow(request, namedDomain(request.params))),
});

export const remove = endpoint({
  summary: 'Forget a domain and its keys',
  description: 'Refused while a campaign that is not over, or a message that waits, is signed by it.',
  scope: 'domains:write',
  idempotency: 'none',
  params: { domain: DomainName },
  responses: { 204: Nothing },
  problems: ['conflict'],
  async handle({ params, principal, workspaceId, address }, tx) {
    const domain = await removeDomain(tx, workspaceId, namedDomain(params));
    await audit(tx, principal, { action: 'domain.removed', subject: `domain/${domain}`, address });
    return noContent();
  },
});

export const check = endpoint({
  summary: 'Compare the DNS with what it should have, now',
  description: 'A new key signs from the moment on that its record is found.',
  scope: 'domains:write',
  idempotency: 'none',
  deadlineMs: CHECK_MS_MAX,
  params: { domain: DomainName },
  responses: { 200: DomainSchema },
  async run(request) {
    const { params, services, scope, workspaceId } = request;
    const { database, resolver, config } = services;
    const domain = namedDomain(params);
    await shownNow(request, domain);
    const installation = await describeInstallation(database, config);
    await checkDomain({ scope, resolver, database, workspaceId, installation }, domain);
    return ok(await shownNow(request, domain));
  },
});

export const addKey = endpoint({
  summary: 'Make a new DKIM key',
  description:
    'It takes over from the one that signs once its record is in the DNS. One that waits already, stays.',
  scope: 'domains:write',
  idempotency: 'optional',
  params: { domain: DomainName },
  body: strict({
    algorithms: Type.Optional(
      Type.Array(Algorithm, {
        minItems: 1,
        uniqueItems: true,
        description: 'One key of each. Default: of each that the domain has.',
      }),
    ),
  }),
  responses: { 201: DomainSchema },
  problems: ['conflict', 'refused'],
  async run(request) {
    const { body, params, services, workspaceId } = request;
    const domain = namedDomain(params);
    const work = (tx: Tx) => rotateDomain(tx, services.secrets, workspaceId, domain, body.algorithms);
    return change(request, { action: 'domain.key_made' }, work, createdDomain);
  },
});

export const retire = endpoint({
  summary: 'Retire a DKIM key',
  description: 'One that waits is forgotten; one that signs, only when another one signs.',
  scope: 'domains:write',
  idempotency: 'optional',
  params: { domain: DomainName, selector: Type.String({ minLength: 1, maxLength: 63 }) },
  responses: { 200: DomainSchema },
  problems: ['conflict'],
  async run(request) {
    const { params, workspaceId } = request;
    const { selector } = params;
    const work = (tx: Tx) => retireKey(tx, workspaceId, namedDomain(params), selector);
    return change(request, { action: 'domain.key_retired', before: { selector } }, work, ok<Shown>);
  },
});

type Shown = Static<typeof DomainSchema>;

function createdDomain(shown: Shown) {
  return created(`/v1/domains/${shown.domain}`, shown);
}

/** `work` gives the name of the domain that it has changed. */
async function change<A extends Answer>(
  { services, workspaceId, principal, address, scope, once }: ApiRequest,
  done: Pick<AuditedAction, 'action' | 'before' | 'after'>,
  work: (tx: Tx) => Promise<string>,
  answerWith: (shown: Shown) => A,
): Promise<A> {
  // Not within the transaction: it would wait for a second connection while it holds one.
  const installation = await describeInstallation(services.database, services.config);
  const changing = async (tx: Tx) => {
    const domain = await work(tx);
    const found = await findDomain(tx, { workspaceId, domain });
    if (!found) throw noSuchDomain();
    await audit(tx, principal, { ...done, subject: `domain/${domain}`, address });
    const answer = answerWith(jsonOf(found, installation));
    await once?.finish(tx, answer);
    return answer;
  };
  return services.database.withWorkspace(workspaceId, changing, scope);
}

async function shownNow({ services, workspaceId, scope }: ApiRequest, domain: string): Promise<Shown> {
  const installation = await describeInstallation(services.database, services.config);
  const find = (tx: Tx) => findDomain(tx, { workspaceId, domain });
  const found = await services.database.readWorkspace(workspaceId, find, scope);
  if (!found) throw noSuchDomain();
  return jsonOf(found, installation);
}

/** What can be no domain is no domain that was added. */
function namedDomain({ domain }: { domain: string }): string {
  try {
    return readDomain(domain);
  } catch (error) {
    throw error instanceof DomainRefused ? noSuchDomain() : error;
  }
}

function noSuchDomain(): Problem {
  return notFound('domain');
}

function jsonOf(domain: SendingDomain, installation: Installation): Shown {
  return {
    domain: domain.domain,
    signs: domain.keys.some(({ state }) => state === 'active'),
    created_at: domain.createdAt.toISOString(),
    checked_at: domain.checkedAt?.toISOString() ?? null,
    keys: domain.keys.map(({ selector, algorithm, state, createdAt, retiringAt }) => ({
      selector,
      algorithm,
      state,
      created_at: createdAt.toISOString(),
      retiring_at: retiringAt?.toISOString() ?? null,
    })),
    records: shownRecords(domain, installation).map(({ expected, ...record }) => ({
      ...record,
      value: expected,
    })),
  };
}
