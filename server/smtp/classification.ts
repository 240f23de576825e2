/**
 * What a server's reply means, on two axes (whose fault, how long), and what follows from it. Made by replies.ts out of
 * the reply table; read by delivery (what becomes of the message), quota (what becomes of the destination's limits) and
 * outcomes (what becomes of the address).
 *
 * Only a recipient's own fault ever leads to `suppress` or `suppress-on-repeat`.
 */
import type { SessionPhase, TransactionPhase } from './timeouts.ts';

/** What a reply was an answer to. */
export type Phase = SessionPhase | TransactionPhase;

export const PHASES: readonly Phase[] = [
  'connect',
  'greeting',
  'ehlo',
  'starttls',
  'auth',
  'rset',
  'mail',
  'rcpt',
  'data',
  'dot',
];

export interface Classification {
  /**
   * - accepted
   * - hard: the address, or its domain, is not there
   * - ambiguous: perhaps the address; only a repetition tells
   * - policy: this message is not wanted (its content, its size)
   * - auth: who we say we are is not believed (SPF, DKIM, DMARC, PTR): every message of this sender meets it
   * - block: where it comes from is not wanted (address or domain on a list)
   * - throttle: less, please
   * - soft: not now, this recipient or this server
   * - greylist: come again, from the same address
   * - ours: we said something wrong, or a relay does not know us
   * - unclassified: nobody has told us what it means; a person should look
   */
  readonly class:
    | 'accepted'
    | 'hard'
    | 'ambiguous'
    | 'policy'
    | 'auth'
    | 'block'
    | 'throttle'
    | 'soft'
    | 'greylist'
    | 'ours'
    | 'unclassified';
  readonly fault: 'none' | 'recipient' | 'sender' | 'source' | 'content' | 'destination' | 'transport' | 'us';
  readonly duration: 'none' | 'temporary' | 'permanent';
  readonly action: Action;
  /** How long the reply says to wait, or the next step of a greylist's schedule; null: the message's own back-off. */
  readonly waitMs: number | null;
  /** The row's name; kept with what came of it, so that a wrong row can be found again and undone. */
  readonly rule: string;
  /** Where the row comes from: a section of an RFC, a provider's page. */
  readonly source: string;
}

export type Action =
  | { readonly kind: 'accept' }
  /** This message later; it spends a try. */
  | { readonly kind: 'retry' }
  /** This message never; nothing is said about the address. */
  | { readonly kind: 'reject' }
  /** This message never, and no other to this address. */
  | { readonly kind: 'suppress' }
  /** This message never; no other to this address when it happens again some days later. */
  | { readonly kind: 'suppress-on-repeat' }
  /** No message of this sender will fare better: a person has to look. */
  | { readonly kind: 'hold-campaign' }
  /** Only of a relay: it takes nothing from us. */
  | { readonly kind: 'pause-route' }
  | Shaping;

/** What a reply does to the limits of a source × destination; the message itself is innocent and spends no try. */
export type Shaping =
  | { readonly kind: 'slow-down' }
  | { readonly kind: 'one-connection'; readonly forMs: number }
  | { readonly kind: 'fewer-messages-per-connection' }
  | { readonly kind: 'suspend'; readonly forMs: number };
