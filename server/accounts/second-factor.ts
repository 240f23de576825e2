/**
 * The second factor: a code of an authenticator, or one of ten recovery codes on paper. Each is good once.
 *
 * The secret is sealed; a dump makes no code of it. Recovery codes are kept as hashes. Turning the second factor on or off
 * ends every session of the person; the one that did it is replaced.
 */
import { asSystem, type Database, type Tx } from '../kernel/database.ts';
import type { SealedPlace, Secrets } from '../kernel/secrets.ts';
import { audit } from './audit.ts';
import { personOf } from './people.ts';
import type { Principal } from './principal.ts';
import * as queries from './queries-people.ts';
import { AccountRefused } from './refused.ts';
import { type RequestOrigin, replaceSession } from './sessions.ts';
import { admitCode, forgiveCodes } from './throttle.ts';
import { hashToken, randomBase32 } from './tokens.ts';
import { isTotpCode, newTotp, stepOfCode, type TotpEnrolment } from './totp.ts';

const RECOVERY_CODES = 10;
/** 80 bits, so that the hash of one tells nothing. */
const RECOVERY_CODE_LETTERS = 16;

/** Makes a secret that counts for nothing until a code of it was given to `enableSecondFactor`. Throws AccountRefused. */
export async function beginSecondFactor(
  database: Database,
  secrets: Secrets,
  principal: Principal,
): Promise<TotpEnrolment> {
  const personId = personOf(principal);
  return database.withSystem(async (tx) => {
    const person = await queries.lockPerson(tx, personId);
    if (person.totpSecret !== null)
      throw new AccountRefused('second-factor-invalid', 'There is a second factor: turn it off first.');
    const enrolment = newTotp(person.email);
    await queries.setPendingTotp(tx, personId, secrets.seal(placeOf(personId), enrolment.secret));
    return enrolment;
  });
}

export interface SecondFactorEnabled {
  /** Shown once. */
  recoveryCodes: string[];
  /** Of the session that takes the place of this one. */
  token: string;
}

/** The first code proves that the authenticator has the secret. Throws AccountRefused. */
export async function enableSecondFactor(
  database: Database,
  secrets: Secrets,
  principal: Principal,
  { code, origin }: { code: string; origin: RequestOrigin },
): Promise<SecondFactorEnabled> {
  const personId = personOf(principal);
  const recoveryCodes = newRecoveryCodes();
  const change = async (tx: Tx) => {
    const { totpPending } = await queries.lockPerson(tx, personId);
    const step = totpPending && stepOfCode(secrets.unseal(placeOf(personId), totpPending), code, Date.now());
    if (typeof step !== 'number')
      throw new AccountRefused(
        'second-factor-invalid',
        'The code does not fit: see that the clock of the authenticator is right, and take its next code.',
      );
    await queries.deleteRecoveryCodes(tx, personId);
    await queries.insertRecoveryCodes(tx, personId, recoveryCodes.map(hashToken));
    return queries.enableTotp(tx, personId, step);
  };
  const done = { change, action: 'second_factor.enabled' };
  const { token } = await replaceSession(database, principal, origin, done);
  return { recoveryCodes, token };
}

/** The caller has asked for password and code again. Gives the token of the session that takes the place of this one. */
export async function disableSecondFactor(
  database: Database,
  principal: Principal,
  origin: RequestOrigin,
): Promise<string> {
  const personId = personOf(principal);
  const change = async (tx: Tx) => {
    await queries.deleteRecoveryCodes(tx, personId);
    return queries.disableTotp(tx, personId);
  };
  const done = { change, action: 'second_factor.disabled' };
  const { token } = await replaceSession(database, principal, origin, done);
  return token;
}

/** Instead of those that are left. The caller has asked for password and code again. */
export async function renewRecoveryCodes(
  database: Database,
  principal: Principal,
  { address }: RequestOrigin,
): Promise<string[]> {
  const personId = personOf(principal);
  const recoveryCodes = newRecoveryCodes();
  const change = async (tx: Tx) => {
    const { totpSecret } = await queries.lockPerson(tx, personId);
    if (totpSecret === null)
      throw new AccountRefused('second-factor-invalid', 'There is no second factor: turn it on first.');
    await queries.deleteRecoveryCodes(tx, personId);
    await queries.insertRecoveryCodes(tx, personId, recoveryCodes.map(hashToken));
  };
  const done = { action: 'recovery_codes.renewed', subject: `person/${personId}`, address };
  await database.withWorkspace(principal.workspaceId, async (tx) => {
    await asSystem(tx, change);
    await audit(tx, principal, done);
  });
  return recoveryCodes;
}

export type CodeCheck =
  | { kind: 'good' }
  | { kind: 'wrong' }
  | { kind: 'too-many'; retryAfterSeconds: number };

/** Uses the code up. */
export async function checkCode(
  database: Database,
  secrets: Secrets,
  person: queries.Person & { totpSecret: string },
  code: string,
): Promise<CodeCheck> {
  const admission = await admitCode(database, person.id);
  if (admission.kind === 'too-many') return admission;
  const isGood = isTotpCode(code)
    ? await useTotpCode(database, secrets, person, code)
    : await database.withSystem((tx) =>
        queries.useRecoveryCode(tx, person.id, hashToken(readRecoveryCode(code))),
      );
  if (!isGood) return { kind: 'wrong' };
  await forgiveCodes(database, person.id);
  return { kind: 'good' };
}

async function useTotpCode(
  database: Database,
  secrets: Secrets,
  { id, totpSecret }: queries.Person & { totpSecret: string },
  code: string,
): Promise<boolean> {
  const step = stepOfCode(secrets.unseal(placeOf(id), totpSecret), code, Date.now());
  return step !== null && database.withSystem((tx) => queries.useTotpStep(tx, id, step));
}

function newRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () =>
    randomBase32(RECOVERY_CODE_LETTERS).replace(/.{4}(?=.)/g, '$&-'),
  );
}

/** As it was shown, however somebody types it. */
function readRecoveryCode(code: string): string {
  return code
    .toLowerCase()
    .replaceAll(/[^a-z2-7]/g, '')
    .replace(/.{4}(?=.)/g, '$&-');
}

/** A person is of no workspace. The pending secret is sealed for the column that it moves to. */
function placeOf(personId: string): SealedPlace {
  return { workspaceId: '', table: 'person', column: 'totp_secret', rowId: personId };
}
