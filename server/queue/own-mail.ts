/** The mail that Camp itself writes to people: transactional, from a domain of the workspace that signs. */
import type { Post } from '../accounts/letters.ts';
import { firstSigningDomain } from '../senders/queries-letters.ts';
import { enqueueTransactional, MailRefused } from './transactional.ts';

/** An address that no mail can be written to is no reason to refuse what the letter tells of. */
export const postOwnMail: Post = async (tx, workspaceId, { to, subject, text }) => {
  const domain = await firstSigningDomain(tx, workspaceId);
  if (domain === undefined) return false;
  const from = { name: 'Camp', email: `no-reply@${domain}` };
  try {
    await enqueueTransactional(tx, { workspaceId, from, to, subject, text });
    return true;
  } catch (error) {
    if (error instanceof MailRefused) return false;
    throw error;
  }
};
