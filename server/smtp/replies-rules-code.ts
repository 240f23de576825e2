/**
 * What is left when the words told nothing: enhanced codes (RFC 3463), then base codes (RFC 5321), then nothing. A bare 550
 * or 554 is one whose words are only stock: what says something that no row knows is unclassified, whatever its code.
 */
import {
  ambiguous,
  blocked,
  deadDomain,
  estranged,
  hard,
  ours,
  type Rule,
  recipientPhases,
  sessionPhases,
  softDestination,
  softRecipient,
  softRefusal,
  throttled,
  unclassified,
  unwanted,
} from './replies-rule.ts';

const rfc3463 = 'RFC 3463 3';
const rfc5321 = 'RFC 5321 4.2.3';

/** Words that add nothing to the code. */
const stock =
  /^[\W\d]*(?:(?:requested|action|mail|message|recipient|address|user|mailbox|transaction|command|delivery|request|service|name|local|please|try|it|this|is|was|has|been|not|no|taken|aborted|allowed|permitted|accepted|access|rejected|refused|denied|failed|failure|error|sorry|permanent|permanently|unavailable|rejecting|forward|path|thank|you)\b[\W\d]*)*$/i;

export const codeRules: readonly Rule[] = [
  {
    rule: 'too-fast-421',
    source: 'RFC 3463 3.8',
    code: /^421/,
    enhanced: /^.\.7\./,
    ...throttled('slow-down', 'source'),
  },
  { rule: 'connection-ended', source: 'RFC 5321 3.8', code: /^421/, ...softDestination },
  { rule: 'server-gone', phases: recipientPhases, source: 'RFC 7504', code: /^(?:521|556)/, ...deadDomain },
  {
    rule: 'site-not-now',
    source: 'RFC 5321 3.1',
    phases: sessionPhases,
    code: /^4/,
    ...softDestination,
  },
  {
    rule: 'site-refuses',
    source: 'RFC 5321 3.1',
    phases: sessionPhases,
    ...blocked(1),
  },

  {
    rule: 'recipient-code',
    source: 'RFC 3463 3.2',
    phases: recipientPhases,
    code: /^5/,
    enhanced: /^.\.(?:1\.[136]|7\.1[37])$/,
    ...hard,
  },
  {
    rule: 'no-such-domain-code',
    source: 'RFC 7505 4.2, RFC 3463 3.5',
    phases: recipientPhases,
    code: /^5/,
    enhanced: /^.\.(?:1\.10|4\.4)$/,
    ...deadDomain,
  },
  {
    rule: 'mailbox-full-code',
    source: 'RFC 3463 3.3',
    phases: recipientPhases,
    enhanced: /^.\.2\.2$/,
    ...softRefusal,
  },
  {
    rule: 'recipient-ambiguous',
    source: rfc3463,
    phases: recipientPhases,
    code: /^5/,
    enhanced: /^.\.(?:1\.[024]|2\.[014]|4\.1)$/,
    ...ambiguous,
  },
  {
    rule: 'undefined-at-rcpt',
    source: rfc3463,
    phases: ['rcpt'],
    code: /^5/,
    enhanced: /^.\.0\.0$/,
    ...ambiguous,
  },
  {
    rule: 'undefined',
    source: rfc3463,
    code: /^5/,
    enhanced: /^.\.0\.0$/,
    class: 'ambiguous',
    fault: 'content',
  },
  {
    rule: 'recipient-code-not-now',
    source: rfc3463,
    phases: recipientPhases,
    code: /^4/,
    enhanced: /^.\.[12]\./,
    ...softRecipient,
  },
  { rule: 'server-code-not-now', source: rfc3463, code: /^4/, enhanced: /^.\.[34]\./, ...softDestination },
  { rule: 'policy', source: rfc3463, enhanced: /^.\.(?:6|7)\./, ...unwanted },
  { rule: 'protocol', source: 'RFC 3463 3.6', enhanced: /^.\.5\./, ...ours },

  { rule: 'out-of-step', source: rfc5321, code: /^(?:50[0-4]|555)/, ...ours },
  {
    rule: 'not-local',
    source: rfc5321,
    phases: recipientPhases,
    code: /^55[13]/,
    enhanced: /^$/,
    ...ambiguous,
  },
  {
    rule: 'bare-mailbox-full',
    source: rfc5321,
    phases: ['rcpt'],
    code: /^552/,
    enhanced: /^$/,
    ...softRefusal,
  },
  { rule: 'bare-size', source: rfc5321, code: /^552/, enhanced: /^$/, ...unwanted },
  {
    rule: 'bare-at-rcpt',
    source: rfc5321,
    phases: ['rcpt'],
    code: /^55[04]/,
    enhanced: /^$/,
    text: stock,
    ...ambiguous,
  },
  {
    rule: 'bare',
    source: rfc5321,
    code: /^55[04]/,
    enhanced: /^$/,
    text: stock,
    class: 'ambiguous',
    fault: 'content',
  },
  { rule: 'unclassified-for-now', source: rfc5321, code: /^4/, ...unclassified, duration: 'temporary' },
  { rule: 'unclassified', source: rfc5321, ...unclassified },
];

export const firstRules: readonly Rule[] = [
  {
    rule: 'accepted',
    source: rfc5321,
    code: /^2/,
    class: 'accepted',
    fault: 'none',
    action: { kind: 'accept' },
    duration: 'none',
  },
  { rule: 'unfinished', source: 'RFC 5321 4.2.1', code: /^3/, ...ours },
  { rule: 'relay-auth', source: 'RFC 4954 6', phases: ['auth'], ...estranged },
];
