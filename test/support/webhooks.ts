/** An endpoint as its owner runs it: a server that remembers what it was posted, and a worker's loop that posts. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { operator } from '../../server/accounts/principal.ts';
import type { Database } from '../../server/kernel/database.ts';
import { createLog } from '../../server/kernel/log.ts';
import { insertIntoOutbox } from '../../server/kernel/queries-outbox.ts';
import { Scope } from '../../server/kernel/scope.ts';
import type { Secrets } from '../../server/kernel/secrets.ts';
import { sql } from '../../server/kernel/sql.ts';
import { WorkerSession } from '../../server/kernel/worker-session.ts';
import { Resolver } from '../../server/smtp/dns.ts';
import { Deliveries, recoverDeliveriesOf } from '../../server/webhooks/deliveries.ts';
import { OwnNetworks } from '../../server/webhooks/destination.ts';
import { createEndpoint } from '../../server/webhooks/endpoints.ts';
import type { EventType } from '../../server/webhooks/event-types.ts';
import type { DeliveryRow, EndpointKey } from '../../server/webhooks/queries.ts';

/** The loopback, as an operator may allow it. */
const LOOPBACK = new OwnNetworks(['127.0.0.1']);

export interface Posted {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export class Receiver {
  readonly posted: Posted[] = [];
  readonly url: string;
  readonly stop: () => Promise<void>;
  /** What it does with the next one. */
  answer: (response: ServerResponse, posted: Posted) => void = (response) => response.writeHead(204).end();

  private constructor(url: string, stop: () => Promise<void>) {
    this.url = url;
    this.stop = stop;
  }

  static async start(): Promise<Receiver> {
    const server = createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray()).toString();
      const posted = { path: request.url ?? '', headers: request.headers, body };
      receiver.posted.push(posted);
      receiver.answer(response, posted);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const stop = async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    };
    const receiver = new Receiver(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop);
    return receiver;
  }
}

/** As the public specification says (Standard Webhooks 1.0), and apart from our own code. */
export function isSigned(
  { headers, body }: Posted,
  secret: string,
  nowSeconds = Date.now() / 1_000,
): boolean {
  const id = String(headers['webhook-id']);
  const timestamp = String(headers['webhook-timestamp']);
  if (!secret.startsWith('whsec_') || Math.abs(nowSeconds - Number(timestamp)) > 300) return false;
  const key = Buffer.from(secret.slice(6), 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest();
  return String(headers['webhook-signature'])
    .split(' ')
    .some((signature) => {
      const [version, given = ''] = signature.split(',');
      const bytes = Buffer.from(given, 'base64');
      return version === 'v1' && bytes.length === expected.length && timingSafeEqual(bytes, expected);
    });
}

export function newEndpoint(
  database: Database,
  secrets: Secrets,
  { workspaceId, url, events }: { workspaceId: string; url: string; events: EventType[] },
): Promise<{ of: EndpointKey; secret: string }> {
  return database.withWorkspace(workspaceId, async (tx) => {
    const asking = { tx, actor: operator(workspaceId) };
    const wish = { url, events, description: '' };
    const { endpoint, secret } = await createEndpoint(asking, { secrets, own: LOOPBACK }, wish);
    return { of: { workspaceId, endpointId: endpoint.id }, secret };
  });
}

/** Something of this type, as whoever makes it happen writes it. */
export function happen(
  database: Database,
  workspaceId: string,
  type: EventType,
  data = {},
): Promise<unknown> {
  const event = {
    type: sql`${type}::text`,
    data: sql`${JSON.stringify(data)}::jsonb`,
    from: sql`(VALUES (1)) one`,
  };
  return database.withWorkspace(workspaceId, (tx) => tx.query(insertIntoOutbox(workspaceId, event)));
}

export interface Seen extends Pick<DeliveryRow, 'id' | 'type' | 'state' | 'attempts'> {
  dueInMs: number | null;
  tries: number;
}

/** The oldest first. */
export function deliveriesOf(database: Database, { workspaceId, endpointId }: EndpointKey): Promise<Seen[]> {
  return database.withWorkspace(workspaceId, (tx) =>
    tx.query<Seen>(sql`
      SELECT id, type, state, attempts, tries, extract(epoch FROM due_at - now())::float8 * 1000 AS "dueInMs"
      FROM webhook_delivery WHERE endpoint_id = ${endpointId} ORDER BY occurred_at, id`),
  );
}

/** What waits is due now, as if its time had come. */
export function passTime(database: Database, { workspaceId, endpointId }: EndpointKey): Promise<unknown> {
  return database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`UPDATE webhook_delivery SET due_at = now()
      WHERE endpoint_id = ${endpointId} AND due_at IS NOT NULL`),
  );
}

export interface Poster {
  workerId: string;
  /** As SIGTERM does. */
  drain(): Promise<void>;
  /** As its death does. */
  abandon(): Promise<void>;
}

const NO_NAMES = new Resolver({ servers: ['127.0.0.1:1'] });

export async function startPosting(
  database: Database,
  secrets: Secrets,
  resolver: Resolver = NO_NAMES,
): Promise<Poster> {
  const log = createLog('silent');
  const { id: workerId } = await WorkerSession.start({ database, log, recover: [recoverDeliveriesOf] });
  const network = { resolver, own: LOOPBACK };
  const deliveries = new Deliveries({ database, log, workerId, secrets, network });
  const scope = Scope.root('posting');
  const run = deliveries.run(scope);
  const drain = () => {
    scope.cancel('drain');
    return run;
  };
  const abandon = () => {
    deliveries.abandon();
    return drain();
  };
  return { workerId, drain, abandon };
}
