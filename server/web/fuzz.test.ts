/**
 * Requests made from the API's own document, good ones, spoiled ones and broken ones: none is answered with a 5xx, and every
 * answer is one that the document promises, in status, media type and body. CAMP_FUZZ_REQUESTS says how many;
 * CAMP_FUZZ_SEED repeats a run, whose seed a failure prints.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import Schema from 'typebox/schema';
import { scriptedDns } from '../../test/support/dns-server.ts';
import { type Shot, shots } from '../../test/support/fuzz.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { startPaymentSandbox } from '../sandbox/payments/payments.ts';
import type { JsonObject, OpenApi, Operation } from './openapi.ts';

const REQUESTS = Number(process.env.CAMP_FUZZ_REQUESTS ?? 1_000);
const AT_ONCE = 8;
const AGAIN_MS = 300;
const TRIES_MAX = 20;

const sandbox = await startPaymentSandbox();
const dns = await scriptedDns({});
const made = new Map<string, string[]>();
let web: TestWeb;
let key: TestKey;
let document: OpenApi;

before(async () => {
  web = await TestWeb.start({}, { env: { BILLING: 'on', CAMP_RESOLVER: dns.server, ...sandbox.env } });
  // Of the first workspace: it may do everything.
  key = await web.newKey('owner', DEFAULT_WORKSPACE_ID);
  document = (await web.ask('GET /openapi.json')).json;
});

after(async () => {
  await web.stop();
  await dns.close();
  await sandbox.stop();
});

interface Found {
  statuses: Map<number, number>;
  /** The first of each kind. */
  faults: Map<string, string>;
}

async function fire(shot: Shot, { statuses, faults }: Found): Promise<void> {
  const heard = await patiently(shot);
  const { operation, line, headers, body } = shot;
  const { status, bytes } = heard;
  statuses.set(status, (statuses.get(status) ?? 0) + 1);
  if (status === 201) remember(heard);
  const fault = status >= 500 ? `is answered with ${status}` : faultOf(operation, heard);
  if (fault === null) return;
  const asked = `${line.slice(0, 500)} ${JSON.stringify(headers)} ${body?.slice(0, 500)}`;
  const kind = `${operation.operationId} ${fault}`;
  if (!faults.has(kind)) faults.set(kind, `${kind}:\n  ${asked}\n  ${bytes.toString().slice(0, 500)}`);
}

/** As a client does when the machine is busy. */
async function patiently({ line, headers, body }: Shot): Promise<Heard> {
  for (let tries = 1; ; tries += 1) {
    const heard = await web.ask(line, { key, body, headers });
    if (heard.json?.code !== 'overloaded' || tries === TRIES_MAX) return heard;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** Where it is said to be, the last of the way is its id. */
function remember({ headers }: Heard): void {
  const location = headers.get('location')?.replace(/^https?:\/\/[^/]+/, '') ?? '';
  const at = location.lastIndexOf('/') + 1;
  const id = decodeURIComponent(location.slice(at));
  const known = made.get(location.slice(0, at)) ?? [];
  made.set(location.slice(0, at), [...known, id]);
}

const compiled = new Map<string, ReturnType<typeof Schema.Compile>>();

/** What of an answer the document does not promise; null: nothing. */
function faultOf(operation: Operation, { status, headers, json, bytes }: Heard): string | null {
  const response = operation.responses[status] as JsonObject | undefined;
  if (!response) return `is answered with ${status}, which is not documented`;
  const content = Object.entries((response.content ?? {}) as Record<string, { schema: JsonObject }>);
  if (content.length === 0)
    return bytes.length === 0 ? null : `has a body with ${status}, which is not documented`;
  const type = (headers.get('content-type') ?? '').split(';')[0];
  const [, documented] = content.find(([name]) => name === type) ?? [];
  if (!documented) return `is answered with ${status} as ${type}, which is not documented`;
  if (json === undefined) return null;
  const name = `${operation.operationId} ${status} ${type}`;
  const schema =
    compiled.get(name) ?? Schema.Compile({ ...documented.schema, components: document.components });
  compiled.set(name, schema);
  return schema.Check(json) ? null : `is answered with a body of ${status} that is not as documented`;
}

test(`${REQUESTS} requests made from the document: none fails on our side, and every answer is as it says`, async (t) => {
  const found: Found = { statuses: new Map(), faults: new Map() };
  const volley = fc.array(shots(document, made), { minLength: AT_ONCE, maxLength: AT_ONCE });
  const seed = Number(process.env.CAMP_FUZZ_SEED ?? randomInt(2 ** 31));
  await fc.assert(
    fc.asyncProperty(volley, async (all) => {
      await Promise.all(all.map((shot) => fire(shot, found)));
    }),
    { numRuns: Math.ceil(REQUESTS / AT_ONCE), seed },
  );
  const { statuses, faults } = found;
  if (process.env.CAMP_FUZZ_REQUESTS) t.diagnostic(JSON.stringify(Object.fromEntries(statuses)));
  assert.equal([...faults.values()].join('\n'), '', `with CAMP_FUZZ_SEED=${seed}`);
  assert.ok((statuses.get(200) ?? 0) > REQUESTS / 20, 'some requests are good ones');
});
