/** SMTP AUTH (RFC 4954): PLAIN (RFC 4616), LOGIN and XOAUTH2, as one table of what the client says. */
import type { Answer, Wire } from './wire.ts';

export type AuthMechanism = 'plain' | 'login' | 'xoauth2';

export interface Credentials {
  readonly user: string;
  /** For XOAUTH2 the access token. */
  readonly password: string;
  /** null: the first of PLAIN and LOGIN that the server offers. */
  readonly mechanism: AuthMechanism | null;
}

/** The first line follows "AUTH "; each further one answers a 334. XOAUTH2's empty one fetches the error's reply. */
const dialogues: Record<AuthMechanism, (user: string, password: string) => string[]> = {
  plain: (user, password) => [`PLAIN ${base64(`\0${user}\0${password}`)}`],
  login: (user, password) => ['LOGIN', base64(user), base64(password)],
  xoauth2: (user, token) => [`XOAUTH2 ${base64(`user=${user}\x01auth=Bearer ${token}\x01\x01`)}`, ''],
};

/** The reply that ended the dialogue (235 when the server knows us now), or why there was none. */
export async function authenticate(
  wire: Wire,
  credentials: Credentials,
  offered: readonly string[],
): Promise<Answer> {
  const mechanism = credentials.mechanism ?? automatic(offered);
  if (!mechanism || !offered.includes(mechanism.toUpperCase())) return notOffered(mechanism, offered);
  const [first, ...answers] = dialogues[mechanism](credentials.user, credentials.password);
  wire.write(`AUTH ${first}\r\n`);
  for (const line of answers) {
    const answer = await wire.next('auth');
    if ('error' in answer || answer.code !== 334) return answer;
    wire.write(`${line}\r\n`);
  }
  return wire.next('auth');
}

function automatic(offered: readonly string[]): AuthMechanism | null {
  if (offered.includes('PLAIN')) return 'plain';
  return offered.includes('LOGIN') ? 'login' : null;
}

function notOffered(mechanism: AuthMechanism | null, offered: readonly string[]): Answer {
  const wanted = mechanism ? mechanism.toUpperCase() : 'PLAIN or LOGIN';
  return { error: `the relay does not offer AUTH ${wanted} (it offers: ${offered.join(', ') || 'none'})` };
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
