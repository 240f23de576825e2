/** Mail that Camp itself writes to a person. Who can send stands above this folder, and is handed in as a Post. */
import type { Tx } from '../kernel/database.ts';

export interface Letter {
  to: { name: string | null; email: string };
  subject: string;
  text: string;
}

/** Queues it in the transaction of the workspace; false: the workspace has nothing to send from. */
export type Post = (tx: Tx, workspaceId: string, letter: Letter) => Promise<boolean>;

/** How a letter goes out, and where the link in it leads. */
export interface Mailing {
  post: Post;
  linkOf(token: string): string;
}

export function invitationLetter(
  { email, workspace, role }: { email: string; workspace: string; role: string },
  link: string,
): Letter {
  return {
    to: { name: null, email },
    subject: `Invitation to ${workspace}`,
    text: `You are invited to join ${workspace} in Camp as ${role}.

Open this link within a week. It is good once, and for nobody else:

${link}

If you do not expect this, leave it: nothing happens without you.
`,
  };
}

export function resetLetter({ name, email }: { name: string; email: string }, link: string): Letter {
  return {
    to: { name, email },
    subject: 'Choose a new password',
    text: `Somebody, probably you, has asked for a new password for ${email} in Camp.

Open this link within an hour to choose one:

${link}

If it was not you, leave it: your password stays as it is.
`,
  };
}
