/** Contacts: one address of one workspace is one contact. */
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { normaliseEmail } from './email.ts';
import * as queries from './queries.ts';

export interface NewContact {
  email: string;
  name?: string;
  attributes?: Record<string, unknown>;
}

export type UpsertOutcome =
  | { kind: 'saved'; id: string; email: string }
  | { kind: 'invalid'; reason: string };

/** Makes the contact, or fills in what is given: a missing name and missing attributes leave what is there. */
export async function upsertContact(
  tx: Tx,
  workspaceId: string,
  contact: NewContact,
): Promise<UpsertOutcome> {
  const address = normaliseEmail(contact.email);
  if (address.kind === 'invalid') return address;
  const id = await queries.upsertContact(tx, workspaceId, {
    id: newId(),
    email: address.email,
    name: contact.name ?? null,
    attributes: contact.attributes ?? {},
  });
  return { kind: 'saved', id, email: address.email };
}
