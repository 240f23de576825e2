/**
 * A subscription over HTTP: an act of audience/states.ts, by its name. Nobody who has left comes back but by an act of
 * their own, and whoever says that there was one says how it was given, in the audit log.
 */
import Type from 'typebox';
import { audit } from '../accounts/audit.ts';
import { subscribeContact } from '../audience/contacts.ts';
import { SUBSCRIPTION_STATUSES, type SubscriptionStatus } from '../audience/states.ts';
import { endpoint, ok } from './endpoint.ts';
import { Problem } from './problem.ts';
import { Id, oneOf, strict } from './schemas.ts';

export const change = endpoint({
  summary: 'Put a contact on a list, or take it off',
  description:
    '`add`: somebody else puts them there; who has left stays away, and it is a conflict. `request`: they typed their address into a form, and a link in a mail must confirm it. `confirm`: they followed that link. `subscribe`: they asked for it and the address is known to be theirs; `consent` says how, and is kept in the audit log. `unsubscribe`: they leave. An act that changes nothing is answered with the status as it is.',
  scope: 'contacts:write',
  idempotency: 'optional',
  params: { id: Id },
  body: Type.Union([
    strict({ list_id: Id, act: oneOf(['add', 'request', 'confirm', 'unsubscribe'] as const) }),
    strict({
      list_id: Id,
      act: Type.Literal('subscribe'),
      consent: Type.String({
        minLength: 1,
        maxLength: 500,
        description: 'How they asked for it: `form on acme.example/join, 2026-05-04`',
      }),
    }),
  ]),
  responses: { 200: strict({ list_id: Id, status: oneOf(SUBSCRIPTION_STATUSES) }) },
  problems: ['conflict', 'not-found'],
  async handle({ body, params, principal, workspaceId, address }, tx) {
    const { list_id: listId, act } = body;
    const key = { workspaceId, contactId: params.id, listId };
    const status = await subscribeContact(tx, key, act);
    if (status === 'absent')
      throw new Problem('conflict', 'There is nothing to confirm: they asked for nothing.');
    if (act !== 'unsubscribe' && status === 'unsubscribed') throw left(act);
    const consent = 'consent' in body ? { consent: body.consent } : {};
    const after = { list_id: listId, act, status, ...consent };
    await audit(tx, principal, {
      action: 'subscription.changed',
      subject: `contact/${params.id}`,
      after,
      address,
    });
    return ok({ list_id: listId, status: status satisfies SubscriptionStatus });
  },
});

function left(act: string): Problem {
  const sentence =
    act === 'confirm'
      ? 'They have left the list since, and an old link does not bring them back.'
      : 'They have left this list, and only they can come back: use `request`, or `subscribe` with their consent.';
  return new Problem('conflict', sentence);
}
