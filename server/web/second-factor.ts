/**
 * One's own second factor: an authenticator, with recovery codes. What a stolen session must not do asks for the password
 * again. Secrets and codes are in one answer, and nowhere after.
 */
import Type from 'typebox';
import * as factor from '../accounts/second-factor.ts';
import { beginSession } from './cookies.ts';
import { endpoint, noContent, ok } from './endpoint.ts';
import { Nothing, strict } from './schemas.ts';
import { Code, originOf, Password, PROOF_PROBLEMS, requireProof } from './session.ts';

const RecoveryCodes = strict({
  recovery_codes: Type.Array(Type.String(), { description: 'Each is good once. Shown this once.' }),
});

export const begin = endpoint({
  summary: 'Set an authenticator up',
  description: 'Counts for nothing until a code of it was confirmed.',
  scope: 'any',
  idempotency: 'none',
  body: strict({ password: Password }),
  problems: PROOF_PROBLEMS,
  responses: {
    200: strict({
      secret: Type.String({ description: 'In base32, for who types it.' }),
      uri: Type.String({ description: 'otpauth://totp/…, to be shown as a QR code.' }),
    }),
  },
  async run(request) {
    const { principal, services } = request;
    await requireProof(request, request.body);
    const { secret, uri } = await factor.beginSecondFactor(services.database, services.secrets, principal);
    return ok({ secret, uri });
  },
});

export const confirm = endpoint({
  summary: 'Turn the second factor on with a first code',
  description: 'Ends all sessions of the person; this one goes on under a new cookie.',
  scope: 'any',
  idempotency: 'none',
  body: strict({ code: Code }),
  responses: { 200: RecoveryCodes },
  async run(request) {
    const { principal, services, body } = request;
    const given = { code: body.code, origin: originOf(request) };
    const { database, secrets, config } = services;
    const enabled = await factor.enableSecondFactor(database, secrets, principal, given);
    return ok({ recovery_codes: enabled.recoveryCodes }, { ...beginSession(enabled.token, config) });
  },
});

export const disable = endpoint({
  summary: 'Turn the second factor off',
  description: 'Ends all sessions of the person; this one goes on under a new cookie.',
  scope: 'any',
  idempotency: 'none',
  body: strict({ password: Password, code: Code }),
  problems: PROOF_PROBLEMS,
  responses: { 204: Nothing },
  async run(request) {
    const { principal, services } = request;
    await requireProof(request, request.body);
    const token = await factor.disableSecondFactor(services.database, principal, originOf(request));
    return { ...noContent(), headers: { ...beginSession(token, services.config) } };
  },
});

export const renewCodes = endpoint({
  summary: 'Make new recovery codes',
  description: 'Those that were left are worth nothing any more.',
  scope: 'any',
  idempotency: 'none',
  body: strict({ password: Password, code: Code }),
  problems: PROOF_PROBLEMS,
  responses: { 200: RecoveryCodes },
  async run(request) {
    const { principal, services } = request;
    await requireProof(request, request.body);
    const codes = await factor.renewRecoveryCodes(services.database, principal, originOf(request));
    return ok({ recovery_codes: codes });
  },
});
