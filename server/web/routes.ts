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
import * as pages from './account-pages.ts';
import * as audit from './audit.ts';
import * as billing from './billing.ts';
import * as campaigns from './campaigns.ts';
import * as campaignStatus from './campaigns-status.ts';
import * as campaignTrial from './campaigns-trial.ts';
import * as campaignVerbs from './campaigns-verbs.ts';
import * as contacts from './contacts.ts';
import * as routes from './delivery-routes.ts';
import * as destinations from './destinations.ts';
import * as docs from './docs.ts';
import * as domains from './domains.ts';
import type { Endpoint, Method, Route } from './endpoint.ts';
import * as firstRun from './first-run.ts';
import * as health from './health.ts';
import * as imports from './imports.ts';
import * as invitations from './invitations.ts';
import * as invoices from './invoices.ts';
import * as keys from './keys.ts';
import * as lists from './lists.ts';
import * as live from './live.ts';
import * as me from './me.ts';
import * as members from './members.ts';
import * as messages from './messages.ts';
import * as messagesSend from './messages-send.ts';
import * as messagesTemplate from './messages-template.ts';
import * as payments from './payments.ts';
import * as relays from './relays.ts';
import * as replies from './replies.ts';
import * as secondFactor from './second-factor.ts';
import * as segments from './segments.ts';
import * as seller from './seller.ts';
import * as sessions from './session.ts';
import * as signIn from './sign-in.ts';
import * as sources from './sources.ts';
import * as sso from './sso.ts';
import * as stats from './stats.ts';
import * as subscriptions from './subscriptions.ts';
import * as suppressions from './suppressions.ts';
import * as templatePreviews from './template-previews.ts';
import * as templates from './templates.ts';
import * as webhookDeliveries from './webhook-deliveries.ts';
import * as webhooks from './webhooks.ts';
import * as workspace from './workspace.ts';

export const ROUTES: readonly Route[] = table({
  'GET /healthz': health.live,
  'GET /readyz': health.ready,
  'GET /metrics': health.metrics,

  'GET /openapi.json': docs.openapi,
  'GET /docs': docs.page,

  'GET /first-run': pages.firstRun,
  'GET /invitation': pages.invitation,
  'GET /password-reset': pages.passwordReset,

  'GET /v1/first-owner': firstRun.show,
  'POST /v1/first-owner': firstRun.create,

  'POST /v1/sign-in': signIn.signIn,
  'GET /v1/sign-in/providers': sso.providers,
  'POST /v1/sign-in/sso': sso.begin,
  'GET /v1/sign-in/sso/callback': sso.callback,
  'POST /v1/sign-out': sessions.signOut,
  'POST /v1/password-resets': signIn.askReset,
  'POST /v1/password-resets/use': signIn.reset,

  'GET /v1/sessions': sessions.list,
  'DELETE /v1/sessions/:id': sessions.end,

  'GET /v1/live': live.stream,

  'GET /v1/me': me.show,
  'GET /v1/me/account': me.account,
  'POST /v1/me/password': signIn.changePassword,
  'GET /v1/me/sso': sso.listOwn,
  'POST /v1/me/sso': sso.link,
  'POST /v1/me/sso/remove': sso.removeOwn,
  'POST /v1/me/second-factor': secondFactor.begin,
  'POST /v1/me/second-factor/confirm': secondFactor.confirm,
  'POST /v1/me/second-factor/disable': secondFactor.disable,
  'POST /v1/me/recovery-codes': secondFactor.renewCodes,

  'GET /v1/keys': keys.list,
  'POST /v1/keys': keys.create,
  'DELETE /v1/keys/:id': keys.revoke,

  'GET /v1/domains': domains.list,
  'POST /v1/domains': domains.create,
  'GET /v1/domains/:domain': domains.show,
  'DELETE /v1/domains/:domain': domains.remove,
  'POST /v1/domains/:domain/check': domains.check,
  'POST /v1/domains/:domain/keys': domains.addKey,
  'POST /v1/domains/:domain/keys/:selector/retire': domains.retire,

  'GET /v1/relays': relays.list,
  'POST /v1/relays': relays.create,
  'GET /v1/relays/:name': relays.show,
  'PATCH /v1/relays/:name': relays.change,
  'DELETE /v1/relays/:name': relays.remove,
  'POST /v1/relays/:name/test': relays.test,
  'POST /v1/relays/:name/resume': relays.resume,

  'GET /v1/routes': routes.list,
  'POST /v1/routes': routes.set,
  'GET /v1/routes/:domain': routes.show,
  'DELETE /v1/routes/:domain': routes.remove,
  'GET /v1/route-plan': routes.plan,

  'GET /v1/sources': sources.list,
  'PUT /v1/sources/:address': sources.set,
  'DELETE /v1/sources/:address': sources.remove,
  'POST /v1/sources/:address/check': sources.check,
  'PUT /v1/sources/:address/warm-ups/:provider': sources.warmUp,
  'DELETE /v1/sources/:address/warm-ups/:provider': sources.warm,
  'GET /v1/pools': sources.pools,
  'POST /v1/pools/:pool/open': sources.open,
  'PUT /v1/pools/:pool/grants/:workspace_id': sources.grant,
  'DELETE /v1/pools/:pool/grants/:workspace_id': sources.revoke,

  'GET /v1/destinations': destinations.list,
  'POST /v1/destinations/resume': destinations.resume,

  'GET /v1/replies/rules': replies.table,
  'POST /v1/replies/explain': replies.explain,
  'GET /v1/replies/unclassified': replies.unclassified,
  'POST /v1/replies/rerun': replies.rerun,

  'GET /v1/audit': audit.list,
  'GET /v1/audit/export': audit.exported,
  'GET /v1/audit/verification': audit.verification,

  'GET /v1/campaigns': campaigns.list,
  'POST /v1/campaigns': campaigns.create,
  'GET /v1/campaigns/:id': campaigns.show,
  'PATCH /v1/campaigns/:id': campaigns.change,
  'DELETE /v1/campaigns/:id': campaigns.remove,
  'POST /v1/campaigns/:id/duplicate': campaigns.copy,
  'GET /v1/campaigns/:id/audience': campaignStatus.audience,
  'GET /v1/campaigns/:id/checklist': campaignStatus.checklist,
  'GET /v1/campaigns/:id/plan': campaignStatus.plan,
  'GET /v1/campaigns/:id/status': campaignStatus.status,
  'POST /v1/campaigns/:id/test': campaignTrial.tryOut,
  'POST /v1/campaigns/:id/send': campaignVerbs.send,
  'POST /v1/campaigns/:id/pause': campaignVerbs.pause,
  'POST /v1/campaigns/:id/resume': campaignVerbs.resume,
  'POST /v1/campaigns/:id/continue': campaignVerbs.goOn,
  'POST /v1/campaigns/:id/revise': campaignVerbs.revise,
  'POST /v1/campaigns/:id/cancel': campaignVerbs.cancel,
  'POST /v1/campaigns/:id/pace': campaignVerbs.pace,
  'POST /v1/campaigns/:id/window': campaignVerbs.window,

  'GET /v1/contacts': contacts.list,
  'POST /v1/contacts': contacts.create,
  'POST /v1/contacts/bulk': contacts.bulk,
  'GET /v1/contacts/:id': contacts.show,
  'PATCH /v1/contacts/:id': contacts.change,
  'DELETE /v1/contacts/:id': contacts.remove,
  'POST /v1/contacts/:id/subscriptions': subscriptions.change,

  'GET /v1/imports': imports.list,
  'POST /v1/imports': imports.create,
  'GET /v1/imports/:id': imports.show,
  'GET /v1/imports/:id/rejects': imports.rejects,

  'GET /v1/invitations': invitations.list,
  'POST /v1/invitations': invitations.create,
  'DELETE /v1/invitations/:id': invitations.revoke,
  'POST /v1/invitations/open': invitations.open,
  'POST /v1/invitations/accept': invitations.accept,

  'GET /v1/lists': lists.list,
  'POST /v1/lists': lists.create,
  'GET /v1/lists/:id': lists.show,
  'PATCH /v1/lists/:id': lists.change,
  'DELETE /v1/lists/:id': lists.remove,
  'GET /v1/lists/:id/members': lists.members,

  'GET /v1/members': members.list,
  'PATCH /v1/members/:id': members.change,
  'DELETE /v1/members/:id': members.remove,
  'POST /v1/members/:id/restore': members.restore,

  'GET /v1/messages': messages.list,
  'POST /v1/messages': messagesSend.create,
  'POST /v1/messages/batch': messagesSend.batch,
  'POST /v1/messages/from-template': messagesTemplate.create,
  'GET /v1/messages/:id': messages.show,
  'POST /v1/messages/:id/cancel': messages.cancel,
  'POST /v1/messages/:id/retry': messages.retry,

  'GET /v1/sso-providers': sso.list,
  'PUT /v1/sso-providers/:name': sso.put,
  'DELETE /v1/sso-providers/:name': sso.remove,

  'GET /v1/stats': stats.days,
  'GET /v1/stats/campaigns': stats.campaigns,

  'GET /v1/templates': templates.list,
  'POST /v1/templates': templates.create,
  'GET /v1/templates/:id': templates.show,
  'PATCH /v1/templates/:id': templates.change,
  'DELETE /v1/templates/:id': templates.remove,
  'POST /v1/templates/:id/preview': templatePreviews.preview,

  'GET /v1/suppressions': suppressions.list,
  'POST /v1/suppressions': suppressions.add,
  'POST /v1/suppressions/removals': suppressions.remove,

  'GET /v1/workspace': workspace.show,
  'PATCH /v1/workspace': workspace.change,
  'GET /v1/workspaces': workspace.list,
  'POST /v1/workspaces': workspace.create,
  'POST /v1/workspaces/:id/switch': workspace.enter,

  'GET /v1/webhooks': webhooks.list,
  'POST /v1/webhooks': webhooks.create,
  'GET /v1/webhooks/:id': webhooks.show,
  'PATCH /v1/webhooks/:id': webhooks.change,
  'DELETE /v1/webhooks/:id': webhooks.remove,
  'POST /v1/webhooks/:id/rotate-secret': webhooks.rotateSecret,
  'POST /v1/webhooks/:id/test': webhookDeliveries.test,
  'POST /v1/webhooks/:id/replay': webhookDeliveries.replayFailed,
  'GET /v1/webhooks/:id/deliveries': webhookDeliveries.list,
  'GET /v1/webhooks/:id/deliveries/:delivery_id': webhookDeliveries.show,
  'POST /v1/webhooks/:id/deliveries/:delivery_id/replay': webhookDeliveries.replay,

  'GET /v1/segments': segments.list,
  'POST /v1/segments': segments.create,
  'POST /v1/segments/preview': segments.preview,
  'GET /v1/segments/:id': segments.show,
  'PATCH /v1/segments/:id': segments.update,
  'DELETE /v1/segments/:id': segments.remove,
  'GET /v1/segments/:id/count': segments.count,
  'GET /v1/segments/:id/sample': segments.sample,
  'GET /v1/segments/:id/contacts': segments.members,
  'GET /v1/segments/:id/contacts/:contact_id/explanation': segments.explain,
});

/** Only with BILLING=on. */
export const BILLING_ROUTES: readonly Route[] = table({
  'GET /v1/credits': billing.credits,
  'GET /v1/invoices': invoices.list,
  'POST /v1/invoices': billing.invoice,
  'GET /v1/invoices/:id': invoices.show,
  'GET /v1/invoices/:id/pdf': invoices.pdf,
  'POST /v1/invoices/:id/mail': invoices.mail,

  'GET /v1/seller': seller.show,
  'PUT /v1/seller': seller.set,

  'GET /v1/payments': payments.list,
  'POST /v1/payments': payments.create,
  'GET /v1/payments/:id': payments.show,
  'POST /v1/payments/:id/cancel': payments.cancel,
  'POST /v1/payments/:id/refunds': payments.refund,
  'POST /v1/provider-events/stripe': payments.event,
});

export function table(endpoints: Record<`${Method} /${string}`, Endpoint>): Route[] {
  return Object.entries(endpoints).map(([line, endpoint]) => {
    const [method, path = ''] = line.split(' ');
    return { method: method as Method, path, endpoint };
  });
}
