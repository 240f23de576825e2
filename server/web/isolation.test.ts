/**
 * Every route, asked by the owner of one workspace about what is another's: as if it were not there. Driven by the table of
 * routes, with the rows of every tenant table in the other workspace; a route whose URL names something new has to be told
 * here which table that is.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { signedInMember } from '../../test/support/accounts.ts';
import {
  idFieldsIn,
  pathOf,
  plain,
  queryFor,
  questionFor,
  sampleOf,
  withId,
} from '../../test/support/requests.ts';
import { contentOf, insertRow, tenantTables } from '../../test/support/tenant-rows.ts';
import { type Heard, TestWeb } from '../../test/support/web.ts';
import { SESSION_COOKIE } from '../accounts/sessions.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { newId } from '../kernel/ids.ts';
import { messageIdOf } from '../queue/message-ids.ts';
import { startPaymentSandbox } from '../sandbox/payments/payments.ts';
import type { Route } from './endpoint.ts';
import { BILLING_ROUTES, ROUTES } from './routes.ts';

const TRIES_MAX = 20;
const AGAIN_MS = 200;

type Rows = Record<string, Record<string, unknown>>;
type Params = Record<string, string>;

/** What the parameters of a URL are, by the word behind /v1/: table.column. */
const IN_URLS: Record<string, Params> = {
  campaigns: { id: 'campaign.id' },
  contacts: { id: 'contact.id' },
  domains: { domain: 'sending_domain.domain', selector: 'dkim_key.selector' },
  imports: { id: 'import.id' },
  invitations: { id: 'invitation.id' },
  invoices: { id: 'invoice.id' },
  keys: { id: 'api_key.id' },
  lists: { id: 'list.id' },
  members: { id: 'member.person_id' },
  messages: { id: 'message.id' },
  payments: { id: 'payment.id' },
  relays: { name: 'relay.name' },
  routes: { domain: 'sending_route.domain' },
  segments: { id: 'segment.id', contact_id: 'contact.id' },
  sessions: { id: 'session.id' },
  templates: { id: 'template.id' },
  webhooks: { id: 'webhook_endpoint.id', delivery_id: 'webhook_delivery.id' },
};

/** What fields of bodies and queries are. */
const IN_FIELDS: Params = {
  campaign_id: 'campaign.id',
  contact_id: 'contact.id',
  contact_ids: 'contact.id',
  invoice_id: 'invoice.id',
  list_id: 'list.id',
  list_ids: 'list.id',
  segment_ids: 'segment.id',
  template_id: 'template.id',
};

const TEMPLATE = { name: 'hello.txt', source: '---\nsubject: Hello\n---\nHello\n' };

const SNAPSHOT = {
  currency: 'EUR',
  buyer: { name: 'B', email: 'b@buyer.example' },
  lines: [],
  taxes: [],
  netMinor: '0',
  taxMinor: '0',
  grossMinor: '0',
};

/** What a body has beside an id, where what only fits the schema is refused for another reason. */
const BESIDE: Record<string, (body: Record<string, unknown>) => Record<string, unknown>> = {
  'POST /v1/campaigns': ({ template_id }) => ({
    name: newId(),
    from: { email: 'news@ours.example' },
    ...(template_id === undefined ? { template: TEMPLATE } : {}),
  }),
  'POST /v1/campaigns/:id/test': () => ({ to: ['me@ours.example'] }),
  'POST /v1/contacts': () => ({ email: `${newId()}@ours.example` }),
  'POST /v1/contacts/bulk': ({ action }) =>
    Object(action).list_id ? {} : { action: { kind: 'tag', add: [newId()] } },
  'POST /v1/segments': () => ({ name: newId() }),
};

/** They ask for no thing of a workspace, but for a workspace. */
const OF_WORKSPACES = ['POST /v1/workspaces/:id/switch'];

const ALL = [...ROUTES, ...BILLING_ROUTES];
const ours = newId();
const theirs = newId();

let web: TestWeb;
let sandbox: Awaited<ReturnType<typeof startPaymentSandbox>>;
const cookies: Record<string, Record<string, string>> = {};
let tables: string[];
/** What each of the two has. */
const rows: Record<string, Rows> = {};

before(async () => {
  sandbox = await startPaymentSandbox();
  web = await TestWeb.start(
    {},
    { env: { BILLING: 'on', CAMP_PUBLIC_URL: 'https://camp.example', ...sandbox.env } },
  );
  const { database } = web.db;
  tables = (await database.withOwner(tenantTables)).flatMap(({ name, partition }) =>
    partition ? [] : [name],
  );
  for (const workspaceId of [ours, theirs]) {
    await ensureWorkspace(database, workspaceId, 'Test');
    rows[workspaceId] = await seed(workspaceId);
    const { token } = await signedInMember(database, workspaceId, 'owner');
    cookies[workspaceId] = {
      cookie: `${SESSION_COOKIE}=${token}`,
      'sec-fetch-site': 'same-origin',
      'x-camp-request': '1',
    };
  }
});
after(async () => {
  await web.stop();
  await sandbox.stop();
});

/** A row in each table. Those that belong together do, and names can be some. */
async function seed(workspaceId: string): Promise<Rows> {
  const domain = `${workspaceId}.example`;
  const rows: Rows = { workspace: { workspace_id: workspaceId } };
  const given = (): Rows => ({
    api_key: { id: workspaceId.slice(-8), role: 'owner' },
    campaign: { from_email: `news@${domain}`, template_name: TEMPLATE.name, template_body: TEMPLATE.source },
    contact: { email: `ann@${domain}` },
    credit_balance: { account: 'balance', credits: 1_000 },
    dkim_key: { domain },
    invoice: { kind: 'invoice', currency: 'EUR', snapshot: JSON.stringify(SNAPSHOT) },
    message: { campaign_id: rows.campaign?.id, contact_id: rows.contact?.id },
    relay: { name: workspaceId },
    segment: { rules: '{"all":[{"field":"tag","tag":"vip"}]}' },
    sending_domain: { domain },
    subscription: { list_id: rows.list?.id, contact_id: rows.contact?.id, status: 'subscribed' },
    template: TEMPLATE,
    sending_route: { domain, route: 'direct' },
    webhook_delivery: { endpoint_id: rows.webhook_endpoint?.id },
  });
  for (const table of new Set(['campaign', 'contact', 'list', 'webhook_endpoint', ...tables]))
    rows[table] ??= await web.db.database.withWorkspace(workspaceId, (tx) =>
      insertRow(tx, table, workspaceId, given()[table]),
    );
  return rows;
}

/** What of a workspace's is meant by table.column. */
function idIn(workspaceId: string, place: string): string {
  const [table = '', column = ''] = place.split('.');
  const row = rows[workspaceId]?.[table] ?? assert.fail(`there is no table ${table}`);
  if (place === 'message.id')
    return messageIdOf({ campaignId: String(row.campaign_id), contactId: String(row.contact_id) });
  return String(row[column] ?? assert.fail(`${table} has no ${column}`));
}

function lineOf({ method, path }: Route): string {
  return `${method} ${path}`;
}

function isOurBusiness({ endpoint }: Route): boolean {
  return endpoint.scope !== 'public' && !endpoint.scope.startsWith('installation:');
}

/** What the parameters of a route's URL are. */
function placesIn(route: Route): [name: string, place: string][] {
  const known = IN_URLS[route.path.split('/')[2] ?? ''] ?? {};
  return [...route.path.matchAll(/:(\w+)/g)].map(([, name = '']) => [
    name,
    known[name] ?? assert.fail(`say in IN_URLS what :${name} of ${lineOf(route)} is`),
  ]);
}

/** Routes that name something of a workspace in their URL. */
function naming(): Route[] {
  return ALL.filter(
    (route) => isOurBusiness(route) && route.path.includes(':') && !OF_WORKSPACES.includes(lineOf(route)),
  );
}

function paramsOf(route: Route, workspaceId: string): Params {
  return Object.fromEntries(placesIn(route).map(([name, place]) => [name, idIn(workspaceId, place)]));
}

interface Asked {
  route: Route;
  params: Params;
  as?: string;
  body?: unknown;
  query?: string;
}

/** What is wanted is there. */
function ask({ route, params, as = ours, body, query = queryFor(route.endpoint) }: Asked): Promise<Heard> {
  const line = `${route.method} ${pathOf(route, params)}${query}`;
  const wanted = questionFor(route, body);
  const beside = BESIDE[lineOf(route)]?.(Object(body));
  const question = {
    ...wanted,
    ...(beside && { body: { ...Object(wanted.body), ...beside } }),
    headers: { ...wanted.headers, ...cookies[as] },
  };
  return patiently(() => web.ask(line, question));
}

/** As a client does when the machine is busy. */
async function patiently(ask: () => Promise<Heard>): Promise<Heard> {
  for (let tries = 1; ; tries += 1) {
    const heard = await ask();
    if (heard.json?.code !== 'overloaded' || tries === TRIES_MAX) return heard;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function contents(): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const table of tables)
    all[table] = await web.db.database.withWorkspace(theirs, (tx) => contentOf(tx, table));
  return all;
}

test('there is something to be asked: many routes name something, and every table has a row of theirs', () => {
  assert.ok(naming().length > 40, String(naming().length));
  assert.ok(tables.length > 40);
});

test('what is another workspace’s is not there, by any route, just as what nobody has; and nothing changes', async () => {
  const before = await contents();
  const wrong: string[] = [];
  for (const route of naming()) {
    const known = paramsOf(route, theirs);
    const unknown = Object.fromEntries(Object.entries(known).map(([name, id]) => [name, strange(id)]));
    const said = [];
    for (const params of [known, unknown]) said.push(answerOf(await ask({ route, params }), params));
    if (!said[0]?.startsWith('404 not-found ') || said[0] !== said[1])
      wrong.push(`${lineOf(route)}: ${said.join(' | ')}`);
  }
  assert.deepEqual(wrong, []);
  assert.deepEqual(await contents(), before);
});

/** Without the names that were asked for. */
function answerOf({ status, json }: Heard, asked: Params): string {
  const words = `${status} ${json?.code} ${json?.detail}`;
  return Object.values(asked).reduce((text, id) => text.replaceAll(id, '…'), words);
}

/** An id of the same form that nobody has. */
function strange(id: string): string {
  if (id.length === 43) return messageIdOf({ campaignId: newId(), contactId: newId() });
  if (id.length === 8) return newId().slice(-8);
  return id.replace(theirs, newId()).replace(/^[0-9a-f-]{36}$/, newId);
}

test('they themselves find what is theirs', async () => {
  const wrong: string[] = [];
  for (const route of naming().filter(({ method }) => method === 'GET')) {
    const { status, json } = await ask({ route, params: paramsOf(route, theirs), as: theirs });
    if (status === 404 || status >= 500) wrong.push(`${lineOf(route)}: ${status} ${json?.detail}`);
  }
  assert.deepEqual(wrong, []);
});

test('a workspace that somebody is no member of cannot be entered', async () => {
  const wrong = ALL.filter((route) => OF_WORKSPACES.includes(lineOf(route))).map(async (route) => {
    const { status } = await ask({ route, params: { id: theirs } });
    assert.equal(status, 404, lineOf(route));
  });
  assert.equal((await Promise.all(wrong)).length, OF_WORKSPACES.length);
});

test('what all workspaces share is closed to owners of all but the first', async () => {
  const shared = ALL.filter(({ endpoint }) => endpoint.scope.startsWith('installation:'));
  assert.ok(shared.length > 10);
  for (const route of shared) {
    const names = [...route.path.matchAll(/:(\w+)/g)].map(([, name = '']) => [name, theirs]);
    const { status, json } = await ask({ route, params: Object.fromEntries(names) });
    assert.deepEqual([status, json.code], [403, 'missing-scope'], lineOf(route));
  }
});

test('what is another workspace’s can be put into no body and no query: it is as what nobody has', async () => {
  const before = await contents();
  const wrong: string[] = [];
  for (const { route, name, ask } of fieldsWithIds()) {
    const [nobodys, theirsHeard, oursHeard] = [await ask(newId()), await ask(theirs), await ask(ours)];
    const said = [nobodys, theirsHeard, oursHeard].map(wholeAnswer);
    const hasOwnAnswer = said[0] !== said[2] || AS_NOBODYS.includes(`${lineOf(route)} ${name}`);
    if (said[0] !== said[1] || theirsHeard.status >= 500 || !hasOwnAnswer)
      wrong.push(`${lineOf(route)} ${name}: ${said.join(' | ')}`);
  }
  assert.deepEqual(wrong, []);
  assert.deepEqual(await contents(), before);
});

/** Where also what is ours is answered so: it is not in a state for it, or has none to show. */
const AS_NOBODYS: string[] = [];

/** Without ids, which differ from request to request. */
function wholeAnswer({ status, bytes }: Heard): string {
  return `${status} ${bytes}`.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…');
}

interface FieldWithId {
  route: Route;
  name: string;
  /** The request with the id of what such a workspace has. */
  ask(workspaceId: string): Promise<Heard>;
}

/** Ids at the top of bodies and queries. */
function fieldsWithIds(): FieldWithId[] {
  return ALL.filter(isOurBusiness).flatMap((route) => [...inBody(route), ...inQuery(route)]);
}

function inBody(route: Route): FieldWithId[] {
  const { body } = route.endpoint;
  if (!body) return [];
  return [...idFieldsIn(plain(body))].map((name) => ({
    route,
    name,
    ask: (workspaceId) => {
      const sample = sampleOf(withId(plain(body), name, idOf(workspaceId, name, route)));
      return ask({ route, params: paramsOf(route, ours), body: sample });
    },
  }));
}

function inQuery(route: Route): FieldWithId[] {
  return [...idFieldsIn(plain(route.endpoint.query))].map((name) => ({
    route,
    name,
    ask: (workspaceId) => {
      const query = `?${name}=${idOf(workspaceId, name, route)}`;
      return ask({ route, params: paramsOf(route, ours), query });
    },
  }));
}

function idOf(workspaceId: string, name: string, route: Route): string {
  const place = IN_FIELDS[name] ?? assert.fail(`say in IN_FIELDS what ${name} of ${lineOf(route)} is`);
  return rows[workspaceId] ? idIn(workspaceId, place) : workspaceId;
}
