/**
 * Where the links that Camp mails lead. The token stands in the fragment, which a browser keeps to itself: no server, no
 * proxy and no other site sees it, and the page behind the link exchanges it by POST.
 */
import type { Mailing } from '../accounts/letters.ts';
import type { Config } from '../kernel/config.ts';
import { postOwnMail } from '../queue/own-mail.ts';

export function mailingOf({ publicUrl }: Config, page: 'invitation' | 'password-reset'): Mailing {
  return { post: postOwnMail, linkOf: (token) => `${publicUrl}/${page}#${token}` };
}
