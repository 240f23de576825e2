/**
 * Every URL of the web server, one a line.
 *
 * A further resource is one file and some lines here:
 *
 *     // server/web/lists.ts
 *     export const show = endpoint({
 *       summary: 'A list',
 *       scope: 'contacts:read',
 *       idempotency: 'none',
 *       params: { id: Id },
 *       responses: { 200: ListSchema },
 *       async handle({ params, workspaceId }, tx) {
 *         const list = await findList(tx, workspaceId, params.id);
 *         if (!list) throw notFound('list');
 *         return ok(jsonOf(list));
 *       },
 *     });
 *
 *     // here
 *     'GET /v1/lists/:id': lists.show,
 *
 * The types check that params, query and body are used as declared and that what is returned is what `responses` promises;
 * validation, the OpenAPI document, /docs, auth, limits, idempotency and metrics follow from the data. What a POST changes
 * belongs into `handle`: its transaction is the one in which the Idempotency-Key is finished. SQL stays in the folder that
 * owns the tables. A parameter of the path has the same name in `params`.
 */
import * as audit from './audit.ts';
import * as billing from './billing.ts';
import * as docs from './docs.ts';
import type { Endpoint, Method, Route } from './endpoint.ts';
import * as health from './health.ts';
import * as keys from './keys.ts';
import * as me from './me.ts';
import * as payments from './payments.ts';

export const ROUTES: readonly Route[] = table({
  'GET /healthz': health.live,
  'GET /readyz': health.ready,
  'GET /metrics': health.metrics,

  'GET /openapi.json': docs.openapi,
  'GET /docs': docs.page,

  'GET /v1/me': me.show,

  'GET /v1/keys': keys.list,
  'POST /v1/keys': keys.create,
  'DELETE /v1/keys/:id': keys.revoke,

  'GET /v1/audit': audit.list,
});

/** Only with BILLING=on. */
export const BILLING_ROUTES: readonly Route[] = table({
  'GET /v1/credits': billing.credits,
  'POST /v1/invoices': billing.invoice,

  'GET /v1/payments': payments.list,
  'POST /v1/payments': payments.create,
  'GET /v1/payments/:id': payments.show,
  'POST /v1/payments/:id/refunds': payments.refund,
  'POST /v1/provider-events/stripe': payments.event,
});

export function table(endpoints: Record<`${Method} /${string}`, Endpoint>): Route[] {
  return Object.entries(endpoints).map(([line, endpoint]) => {
    const [method, path = ''] = line.split(' ');
    return { method: method as Method, path, endpoint };
  });
}
