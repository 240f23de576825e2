/**
 * What a relay's reply means: whose fault it is, and what happens to the message. One table, first match wins.
 *
 * The first digit decides whether trying again makes sense; the text and the enhanced code (RFC 3463) decide whose
 * fault it is, because in the field the two often disagree. Rows go from the particular to the general: session,
 * sender, text, enhanced code, base code. Only a permanent fault of the recipient at RCPT or after the dot
 * suppresses the address: a wrong suppression costs a reader for ever, a missing one costs one more bounce.
 *
 * When adding a row: the test wants a reply that reaches it and a near miss that does not.
 */
import type { Reply } from './reply.ts';
import type { SessionPhase, TransactionPhase } from './timeouts.ts';

export interface Classification {
  /**
   * accepted, deferred (this message later), rejected (this message never), throttled (the relay wants less:
   * costs the message no attempt), route (the relay takes nothing from us: stop and back off).
   */
  readonly class: 'accepted' | 'deferred' | 'rejected' | 'throttled' | 'route';
  readonly fault: 'recipient' | 'sender' | 'content' | 'source' | 'destination' | 'route' | 'us';
  /** The row's name; kept with the outcome, so that a wrong row can be found again and undone. */
  readonly rule: string;
  /** The address must not be written to again. */
  readonly suppress: boolean;
}

type Phase = SessionPhase | TransactionPhase;

export interface Rule {
  readonly rule: string;
  readonly fault: Classification['fault'];
  /** Without it the first digit decides: 2 accepted, 4 deferred, 5 rejected. */
  readonly class?: 'deferred' | 'throttled' | 'route';
  /** Takes effect on a 5xx only. */
  readonly suppress?: true;
  /** All that are given must match. `enhanced` sees '' when the reply has none. */
  readonly phases?: readonly Phase[];
  readonly code?: RegExp;
  readonly enhanced?: RegExp;
  readonly text?: RegExp;
}

const session: readonly Phase[] = ['connect', 'greeting', 'ehlo', 'starttls', 'auth', 'rset'];
const recipientKnown: readonly Phase[] = ['rcpt', 'dot'];
/** Not about policy (x.7.x): blocked senders are often told that the mailbox is unavailable. */
const notPolicy = /^(?!.\.7\.)/;

export const rules: readonly Rule[] = [
  { rule: 'accepted', fault: 'destination', code: /^2/ },

  {
    rule: 'recipient-rate',
    fault: 'recipient',
    phases: recipientKnown,
    text: /receiving (?:e?mail|messages) (?:at a rate|too quickly)|recipient (?:rate|thread) limit/i,
  },
  {
    rule: 'throttle-text',
    fault: 'destination',
    class: 'throttled',
    code: /^4/,
    text: /too many (?:concurrent |simultaneous )?(?:connections|sessions|messages|mails)|rate.?limit|throttl|slow down|too (?:fast|quickly|much mail)|max(?:imum)? (?:messages?|number of messages) (?:per|in) (?:connection|session)|server (?:is )?(?:too )?busy/i,
  },
  {
    rule: 'throttle-sender',
    fault: 'sender',
    class: 'throttled',
    code: /^421/,
    enhanced: /^.\.7\.(?:2[3-79]|3[02]|40)$/,
  },
  { rule: 'throttle-421', fault: 'destination', class: 'throttled', code: /^421/ },

  { rule: 'auth-failed', fault: 'route', class: 'route', phases: ['auth'] },
  { rule: 'session', fault: 'route', class: 'route', phases: session },
  {
    rule: 'auth-required',
    fault: 'route',
    class: 'route',
    code: /^(?:530|535)|^503/,
    text: /^(?!.*(?:bad sequence|out of sequence)).*(?:auth|log ?in|starttls|credential)/is,
  },
  { rule: 'auth-code', fault: 'route', class: 'route', code: /^(?:530|534|535|538)/ },
  {
    rule: 'relay-denied',
    fault: 'route',
    class: 'route',
    text: /relay(?:ing)? (?:access )?(?:is )?(?:denied|not (?:permitted|allowed)|prohibited)|unable to relay|not permitted to relay|we do not relay/i,
  },
  {
    rule: 'account-limit',
    fault: 'route',
    class: 'route',
    text: /(?:daily|hourly|monthly|sending)(?: \w+)? (?:quota|limit)s? (?:\w+ )*(?:exceeded|reached)|exceeded (?:\w+ ){0,3}(?:sending|daily|hourly|monthly) (?:quota|limit)|account (?:is )?(?:suspended|disabled|blocked) for sending/i,
  },
  {
    rule: 'helo-refused',
    fault: 'route',
    class: 'route',
    text: /\b(?:helo|ehlo)\b.*(?:rejected|refused|invalid)/i,
  },

  { rule: 'greylist', fault: 'destination', code: /^4/, text: /gr[ea]y.?list/i },
  {
    rule: 'greylist-code',
    fault: 'destination',
    phases: ['rcpt'],
    code: /^45/,
    enhanced: /^4\.7\.1$/,
    text: /try (?:again|later)/i,
  },

  { rule: 'size', fault: 'content', enhanced: /^.\.(?:3\.4|2\.3)$/ },
  {
    rule: 'size-text',
    fault: 'content',
    text: /(?:message|size) (?:\w+ )*(?:too (?:big|large)|exceeds)|exceed\w* (?:\w+ )*(?:message|maximum) size/i,
  },
  { rule: 'sender-refused', fault: 'sender', class: 'route', phases: ['mail'], code: /^5/ },
  { rule: 'sender-identity', fault: 'sender', enhanced: /^.\.7\.(?:2[3-79]|3[02]|40|509|515)$/ },
  {
    rule: 'sender-text',
    fault: 'sender',
    text: /dmarc|\bspf\b|\bdkim\b|sender (?:address |domain )?(?:\S+ )?(?:rejected|not (?:verified|allowed|owned))/i,
  },
  { rule: 'sender-address', fault: 'sender', enhanced: /^.\.1\.[78]$/ },
  {
    rule: 'source-blocked',
    fault: 'source',
    text: /block ?list|black ?list|\brbl\b|\bdnsbl\b|spamhaus|blocked (?:using|by)|banned sending|(?:poor|bad|low) reputation|reputation of the sending|reverse (?:dns|hostname)|\bptr\b/i,
  },
  {
    rule: 'content-text',
    fault: 'content',
    text: /\bspam\b|\bvirus\b|malware|phish|\bcontent (?:rejected|denied|filter)|unsolicited/i,
  },

  {
    rule: 'recipient-inactive',
    fault: 'recipient',
    suppress: true,
    phases: recipientKnown,
    enhanced: notPolicy,
    text: /(?:account|mailbox|user|recipient|address)(?: (?!temporar)\S+){0,6} (?:(?:disabled|inactive|deactivated|closed|terminated)|no longer (?:active|available|valid))|storage space and inactive/i,
  },
  {
    rule: 'recipient-full',
    fault: 'recipient',
    phases: recipientKnown,
    text: /over ?quota|quota (?:\w+ )?exceeded|exceed\w* (?:\w+ )*quota|mailbox (?:is )?full|out of storage|insufficient (?:mailbox )?(?:storage|space)/i,
  },
  { rule: 'recipient-full-code', fault: 'recipient', phases: recipientKnown, enhanced: /^.\.2\.2$/ },
  {
    rule: 'domain-text',
    fault: 'destination',
    phases: recipientKnown,
    text: /(?:domain|host)(?: name)? (?:is )?(?:not found|unknown|does(?: not|n't) exist)|unknown (?:host|domain)|does(?: not|n't) accept (?:any )?e?mail/i,
  },
  {
    rule: 'recipient-unknown',
    fault: 'recipient',
    suppress: true,
    phases: recipientKnown,
    enhanced: notPolicy,
    text: /(?:user|recipient|mailbox|address|account|addressee)(?: \S+){0,6} (?:unknown|not (?:found|exist)|does(?: not|n'?t) exist|not known|invalid)|(?:unknown|invalid|no such|nonexistent) (?:local )?(?:user|recipient|mailbox|address|account|person)|no (?:such )?(?:user|mailbox|recipient)(?: here| by that name)|recipientnotfound|does(?:n't| not) have an? \S+ account/i,
  },
  {
    rule: 'mailbox-unavailable',
    fault: 'recipient',
    suppress: true,
    phases: ['rcpt'],
    enhanced: notPolicy,
    text: /mailbox (?:is )?(?:unavailable|not available)/i,
  },
  {
    rule: 'recipient-code',
    fault: 'recipient',
    suppress: true,
    phases: recipientKnown,
    enhanced: /^.\.(?:1\.[136]|7\.1[37])$/,
  },
  {
    rule: 'recipient-ambiguous',
    fault: 'recipient',
    phases: recipientKnown,
    enhanced: /^.\.(?:1\.0|2\.[014])$/,
  },

  { rule: 'domain', fault: 'destination', phases: recipientKnown, enhanced: /^.\.(?:1\.(?:2|10)|4\.[14])$/ },
  {
    rule: 'relay-overloaded',
    fault: 'destination',
    class: 'throttled',
    code: /^4/,
    enhanced: /^4\.3\.[12]$/,
  },
  { rule: 'throttle-policy', fault: 'source', class: 'throttled', code: /^4/, enhanced: /^.\.7\./ },
  { rule: 'policy', fault: 'content', enhanced: /^.\.(?:7|6)\./ },
  { rule: 'destination', fault: 'destination', enhanced: /^.\.(?:3|4)\./ },
  { rule: 'protocol', fault: 'us', class: 'deferred', enhanced: /^.\.5\./ },

  { rule: 'bare-recipient', fault: 'recipient', phases: ['rcpt'], code: /^(?:45[02]|55[0134])/ },
  { rule: 'out-of-step', fault: 'us', class: 'deferred', code: /^(?:50[0-4]|555)/ },
  { rule: 'bare-size', fault: 'content', code: /^552/ },
  { rule: 'bare-temporary', fault: 'destination', code: /^4/ },
  { rule: 'bare-content', fault: 'content', phases: ['dot'], code: /^5/ },
  { rule: 'bare-permanent', fault: 'destination', code: /^5/ },
  { rule: 'unfinished', fault: 'us', class: 'route' },
];

export function classify(phase: Phase, reply: Reply): Classification {
  const row = rules.find((rule) => matches(rule, phase, reply));
  if (!row) throw new Error('the last rule matches everything');
  const suppress = row.suppress === true && reply.code >= 500;
  return { class: row.class ?? byDigit(reply.code), fault: row.fault, rule: row.rule, suppress };
}

function matches(rule: Rule, phase: Phase, reply: Reply): boolean {
  return (
    (rule.phases?.includes(phase) ?? true) &&
    (rule.code?.test(String(reply.code)) ?? true) &&
    (rule.enhanced?.test(reply.enhanced ?? '') ?? true) &&
    (rule.text?.test(reply.text) ?? true)
  );
}

function byDigit(code: number): 'accepted' | 'deferred' | 'rejected' {
  if (code < 300) return 'accepted';
  return code < 500 ? 'deferred' : 'rejected';
}
