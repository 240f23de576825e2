/** The first owner of a new installation, by the link that `camp start` prints. The page behind it is in account-pages.ts. */
import Type from 'typebox';
import { createFirstOwner, needsOwner } from '../accounts/first-run.ts';
import { endpoint, ok } from './endpoint.ts';
import { MeSchema } from './me.ts';
import { strict } from './schemas.ts';
import { Email, originOf, Password, PersonName, signedIn, Token } from './session.ts';

export const show = endpoint({
  summary: 'Does this installation need an owner?',
  scope: 'public',
  idempotency: 'none',
  responses: { 200: strict({ owner_needed: Type.Boolean() }) },
  run: async ({ services }) => ok({ owner_needed: await needsOwner(services.database) }),
});

export const create = endpoint({
  summary: 'Become the owner of a new installation',
  description: 'With the token of the link that `camp start` and `camp web` print; good once, within a day.',
  scope: 'public',
  idempotency: 'none',
  body: strict({ token: Token, email: Email, name: PersonName, password: Password }),
  responses: { 200: MeSchema },
  async run(request) {
    const { services, body } = request;
    const owner = await createFirstOwner(services.database, body, originOf(request));
    return signedIn(owner, services.config);
  },
});
