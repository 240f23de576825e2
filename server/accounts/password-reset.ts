/**
 * A forgotten password: whoever can read the mail of an address may choose a new one for it, by a link that is good once,
 * for an hour, and only until the password or the second factor changes in another way. A second factor is still asked for.
 *
 * Whoever asks learns nothing: the request counts the try and leaves a job, whatever the address. Only the job looks whose
 * it is, and it mails only who is there. More letters than a few are not sent, so that nobody's mailbox is filled.
 *
 * Letters leave from the installation's first workspace, its operator's, and from no other: whoever runs a workspace chooses
 * its relay, and would read the letter on its way.
 */
import type { Database, Tx } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { enqueueJob, type JobContext, type JobHandler, type JobOutcome } from '../kernel/jobs.ts';
import { type Mailing, resetLetter } from './letters.ts';
import { readEmail } from './people.ts';
import * as people from './queries-people.ts';
import * as queries from './queries-resets.ts';
import { AccountRefused } from './refused.ts';
import type { RequestOrigin } from './sessions.ts';
import {
  choosePassword,
  newPasswordHash,
  type Opened,
  openSession,
  proveSecondFactor,
  type SignInContext,
  type Unproven,
} from './sign-in.ts';
import { type Admission, admitReset } from './throttle.ts';
import { hashToken, newToken } from './tokens.ts';

const RESET_JOB = 'password.reset';
const LINK_SECONDS = 3_600;

export type ResetAsked = { kind: 'asked' } | Extract<Admission, { kind: 'too-many' }>;

/** The same for every address. Throws AccountRefused when the text is no address. */
export async function askForReset(
  database: Database,
  text: string,
  { address }: RequestOrigin,
): Promise<ResetAsked> {
  const email = readEmail(text);
  const admission = await admitReset(database, email, address);
  if (admission.kind === 'too-many') return admission;
  if (admission.kind === 'admitted')
    await database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
      enqueueJob(tx, DEFAULT_WORKSPACE_ID, {
        kind: RESET_JOB,
        key: hashToken(email).toString('hex'),
        args: { email },
      }),
    );
  return { kind: 'asked' };
}

export function resetHandlers(mailing: Mailing): Record<string, JobHandler> {
  return { [RESET_JOB]: (context) => mailLink(context, mailing) };
}

/** Run twice, it makes a second link: either is good, and whichever is used first ends both. */
async function mailLink({ database, args }: JobContext, mailing: Mailing): Promise<JobOutcome> {
  const person = await database.withSystem((tx) => people.personByEmail(tx, String(args.email)));
  if (!person) return { kind: 'done' };
  const letter = resetLetter(person, mailing.linkOf(await makeResetLink(database, person)));
  const isMailed = await database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    mailing.post(tx, DEFAULT_WORKSPACE_ID, letter),
  );
  if (isMailed) return { kind: 'done' };
  return { kind: 'failed', error: 'the first workspace has no domain to send from', permanent: true };
}

/** For an operator to hand on, who has nothing to send mail from. Throws AccountRefused. */
export async function resetLinkFor(database: Database, text: string): Promise<string> {
  const email = readEmail(text);
  const person = await database.withSystem((tx) => people.personByEmail(tx, email));
  if (!person) throw new AccountRefused('not-found', `Nobody here has the address ${email}.`);
  return makeResetLink(database, person);
}

function makeResetLink(database: Database, person: people.Person): Promise<string> {
  const token = newToken();
  return database.withSystem(async (tx) => {
    await queries.deleteEndedResets(tx);
    await queries.insertReset(tx, hashToken(token), person, LINK_SECONDS);
    return token;
  });
}

export interface PasswordReset {
  token: string;
  password: string;
  /** Of somebody who has a second factor. */
  code?: string;
}

/** Ends all sessions of the person and all ways in through providers, and begins one session. Throws AccountRefused, SignInBusy. */
export async function resetPassword(
  context: SignInContext,
  reset: PasswordReset,
): Promise<Opened | Unproven> {
  const { database } = context;
  const hash = hashToken(reset.token);
  const person = await database.withSystem(async (tx) => {
    const id = await queries.personOfReset(tx, hash);
    return id === undefined ? undefined : people.personById(tx, id);
  });
  if (!person) throw linkInvalid();
  // Before the code, which is good once.
  const passwordHash = await newPasswordHash(reset.password, person.email);
  const unproven = await proveSecondFactor(context, person, reset.code);
  if (unproven) return unproven;
  const change = async (tx: Tx) => {
    const { sessionVersion } = await people.lockPerson(tx, person.id);
    if (!(await queries.useReset(tx, hash, sessionVersion))) throw linkInvalid();
    return choosePassword(tx, person.id, passwordHash);
  };
  return openSession(context, person, { by: { change, action: 'password.reset' } });
}

function linkInvalid(): AccountRefused {
  return new AccountRefused(
    'link-invalid',
    'This link is not valid: it was used, or has expired. Ask for another one.',
  );
}
