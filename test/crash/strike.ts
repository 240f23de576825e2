/**
 * Ends the process as a power cut would, at a named place and with a certain message in hand. Only the copy of the program
 * that points.ts makes loads this file, and calls what it finds here as `crash`.
 *
 *   CAMP_CRASH_POINT   the place
 *   CAMP_CRASH_AT      whose message: an address, or @domain for the first of a domain
 *
 * Without them nothing happens. The last line on standard error names the place and those whose message was in hand.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { writeSync } from 'node:fs';

const { CAMP_CRASH_POINT: armed, CAMP_CRASH_AT: at } = process.env;
/** Whose message is being sent, for places that do not know. */
const recipient = new AsyncLocalStorage<string>();
/** Connections to Postgres that are to be left in the middle of their COMMIT. */
const doomed = new WeakMap<object, string[]>();

Object.assign(globalThis, { crash: { sending, here, whenever, inCommit, committing, anyone: at } });

/** Runs a piece of the work on this recipient's message. */
function sending<T>(email: string, work: () => T): T {
  return recipient.run(email, work);
}

function here(point: string, emails: string[] = inHand()): void {
  const struck = struckAt(point, emails);
  if (struck.length > 0) die(struck);
}

/** A listener that knows whose message it was made for. */
function whenever(point: string): () => void {
  const emails = inHand();
  return () => here(point, emails);
}

/** The transaction on this connection is the one to die in. */
function inCommit(point: string, client: object, emails: string[]): void {
  const struck = struckAt(point, emails);
  if (struck.length > 0) doomed.set(client, struck);
}

/** COMMIT has been sent on this connection. */
function committing(client: object): void {
  const struck = doomed.get(client);
  if (struck) die(struck);
}

function inHand(): string[] {
  const email = recipient.getStore();
  return email === undefined ? [] : [email];
}

function struckAt(point: string, emails: string[]): string[] {
  return at !== undefined && point === armed ? emails.filter((email) => email.endsWith(at)) : [];
}

function die(struck: string[]): void {
  writeSync(2, `${JSON.stringify({ event: 'crashed', point: armed, struck })}\n`);
  process.kill(process.pid, 'SIGKILL');
}
