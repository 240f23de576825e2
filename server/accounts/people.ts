/** People: how an e-mail address and a name are read, and whose session it is. */
import { domainToASCII } from 'node:url';
import type { Database, Tx } from '../kernel/database.ts';
import type { Actor } from './principal.ts';
import { insertPerson, type NewPerson, personById, recoveryCodesLeft } from './queries-people.ts';
import { AccountRefused } from './refused.ts';

const EMAIL_LENGTH_MAX = 320;
const NAME_LENGTH_MAX = 200;

/** One spelling for one address: trimmed, in lower case, the domain in ASCII. Throws AccountRefused. */
export function readEmail(text: string): string {
  const [, name = '', domain = ''] =
    /^([^\s@]+)@([^\s@]+)$/.exec(text.trim().normalize('NFKC').toLowerCase()) ?? [];
  const email = `${name}@${domainToASCII(domain)}`;
  if (name === '' || email.endsWith('@') || email.length > EMAIL_LENGTH_MAX)
    throw new AccountRefused('email-invalid', `"${text}" is not an e-mail address, such as ada@example.com.`);
  return email;
}

/** Throws AccountRefused. */
export function readName(text: string): string {
  const name = text.trim();
  if (name === '' || name.length > NAME_LENGTH_MAX || /\p{Cc}/u.test(name))
    throw new AccountRefused('name-invalid', `A name is needed, of ${NAME_LENGTH_MAX} characters at most.`);
  return name;
}

/** After the row that makes them a member. Throws AccountRefused. */
export async function addPerson(tx: Tx, person: NewPerson): Promise<void> {
  if (!(await insertPerson(tx, person)))
    throw new AccountRefused('email-taken', 'Somebody has this address by now: open the link again.');
}

export interface Account {
  email: string;
  name: string;
  hasPassword: boolean;
  hasSecondFactor: boolean;
  recoveryCodesLeft: number;
}

/** Of whoever is signed in. Throws AccountRefused. */
export function accountOf(database: Database, actor: Actor): Promise<Account> {
  const personId = personOf(actor);
  return database.withSystem(async (tx) => {
    const person = await personById(tx, personId);
    if (!person) throw new Error(`there is no person ${personId}`);
    const { email, name, passwordHash, totpSecret } = person;
    return {
      email,
      name,
      hasPassword: passwordHash !== null,
      hasSecondFactor: totpSecret !== null,
      recoveryCodesLeft: await recoveryCodesLeft(tx, personId),
    };
  });
}

/** What only a person does: a key has no password, and no telephone. Throws AccountRefused. */
export function personOf({ personId }: Actor): string {
  if (personId === null)
    throw new AccountRefused('sign-in-needed', 'An API key cannot do this: sign in instead.');
  return personId;
}
