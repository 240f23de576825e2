/**
 * What servers say in words, whoever they are, and the few codes that name one cause so exactly that words cannot add to
 * it. From the particular to the general: identity before rate (Gmail limits the rate of the unauthenticated), rate before
 * reputation, the sender's before the recipient's.
 */
import {
  ambiguous,
  blocked,
  deadDomain,
  estranged,
  greylisted,
  hard,
  identity,
  messagePhases,
  notPolicy,
  ours,
  type Rule,
  recipientPhases,
  sessionPhases,
  softDestination,
  softRecipient,
  softRefusal,
  throttled,
  unwanted,
} from './replies-rule.ts';

const postfix = 'wording of Postfix';
const exim = 'wording of Exim';
const common = 'wording of several servers';
const iana = 'IANA, SMTP enhanced status codes';

const inactive =
  /(?:account|mailbox|user|recipient|address)(?: (?!temporar)\S+){0,6} (?:(?:disabled|inactive|deactivated|closed|terminated)|no longer (?:active|available|valid))|storage space and inactive/i;
const unknown =
  /(?:user|recipient|mailbox|address|account|addressee)(?: \S+){0,6} (?:unknown|not (?:found|exist)|does(?: not|n'?t) exist|not known|invalid)|(?:unknown|invalid|no such|nonexistent|non-existent) (?:local )?(?:user|recipient|mailbox|address|account|person)|no (?:such )?(?:user|mailbox|recipient)(?: here| by that name)|recipient ?not ?found|does(?:n't| not) have an? \S+ account/i;
const full =
  /over ?quota|quota (?:\w+ )?exceeded|exceed\w{0,3} (?:\w+ ){0,4}quota|mailbox (?:is )?full|out of storage|insufficient (?:mailbox )?(?:storage|space)/i;
const reverseDns =
  /\bptr\b|\brdns\b|reverse[- ](?:dns|hostname|lookup|address|mapping)|cannot find your (?:reverse )?hostname/i;
const noMailbox = /mailbox (?:is )?(?:unavailable|not available)/i;

export const textRules: readonly Rule[] = [
  {
    rule: 'flood',
    source: iana,
    code: /^4/,
    enhanced: /^.\.7\.28$/,
    ...throttled('slow-down', 'source'),
  },
  { rule: 'flood-blocked', source: iana, enhanced: /^.\.7\.28$/, ...blocked(2) },
  {
    rule: 'identity-code',
    source: iana,
    phases: messagePhases,
    enhanced: /^.\.7\.(?:2[0-79]|3[02]|40|509|515)$/,
    ...identity,
  },
  { rule: 'reverse-dns', source: common, phases: messagePhases, text: reverseDns, ...identity },
  {
    rule: 'reverse-dns-at-session',
    source: common,
    via: 'mx',
    text: reverseDns,
    ...identity,
  },
  {
    rule: 'identity-text',
    source: common,
    phases: messagePhases,
    text: /\b(?:spf|dkim|dmarc)\b|is unauthenticated|unauthenticated (?:e?mail|message)/i,
    ...identity,
  },
  {
    rule: 'recipient-rate',
    source: 'https://support.google.com/a/answer/3726730',
    phases: recipientPhases,
    text: /receiving (?:e?mail|messages) (?:at a rate|too quickly)|recipient (?:rate|thread) limit/i,
    ...softRecipient,
  },

  {
    rule: 'too-many-connections',
    source: common,
    text: /too many (?:\w+ ){0,2}(?:connections|sessions)|(?:connection|session) limit|maximum (?:number of )?(?:concurrent )?(?:connections|sessions)/i,
    ...throttled('one-connection'),
  },
  {
    rule: 'messages-per-connection',
    source: 'https://senders.yahooinc.com/best-practices/',
    text: /max(?:imum)? (?:number of )?(?:messages?|mails) (?:per|in) (?:this )?(?:connection|session)|too many (?:messages|mails) (?:in|on|per) (?:this |one )?(?:connection|session)/i,
    ...throttled('fewer-messages-per-connection'),
  },
  {
    rule: 'slow-down',
    source: common,
    code: /^4/,
    text: /too many (?:messages|mails|e-?mails)|rate.?limit|throttl|slow down|too (?:fast|quickly|frequent\w*|much mail)|(?:excessive|unexpected|unusual) (?:\w+ )?(?:volume|rate|traffic)|server (?:is )?(?:too )?busy|\brate (?:\w+ ){0,5}exceeded/i,
    ...throttled('slow-down'),
  },

  {
    rule: 'relay-session',
    source: 'RFC 5321 3.1',
    via: 'relay',
    phases: sessionPhases,
    ...estranged,
  },
  {
    rule: 'auth-required',
    source: 'RFC 4954 6',
    code: /^(?:530|535)|^503/,
    text: /^(?!.*(?:bad sequence|out of sequence)).*(?:auth|log ?in|starttls|credential)/is,
    ...estranged,
  },
  { rule: 'auth-code', source: 'RFC 4954 6', code: /^(?:530|534|535|538)/, ...estranged },
  {
    rule: 'relay-denied',
    source: common,
    text: /relay(?:ing)? (?:access )?(?:is )?(?:denied|not (?:permitted|allowed)|prohibited)|unable to relay|not permitted to relay|we do not relay/i,
    ...estranged,
  },
  {
    rule: 'account-limit',
    source: common,
    text: /(?:daily|hourly|monthly|sending|peak)(?: \w+){0,3} (?:quota|limit)s? (?:\w+ ){0,3}(?:exceeded|reached)|exceeded (?:\w+ ){0,3}(?:sending|daily|hourly|monthly) (?:quota|limit)|account (?:is )?(?:suspended|disabled|blocked) for sending|tenant has exceeded/i,
    ...estranged,
  },
  {
    rule: 'helo-refused',
    source: postfix,
    text: /\b(?:helo|ehlo)\b.{0,80}(?:rejected|refused|invalid)/i,
    ...estranged,
  },
  {
    rule: 'tls-required',
    source: 'RFC 3207 4',
    text: /tls (?:is )?required|requires? (?:tls|encryption)|must issue a starttls/i,
    ...ours,
    fault: 'transport',
  },

  {
    rule: 'greylist',
    source: 'RFC 6647',
    code: /^4/,
    text: /gr[ea]y.?list|\btriple(?:ts?)?\b|come back (?:in|later|after)/i,
    ...greylisted,
  },
  {
    rule: 'greylist-code',
    source: 'RFC 6647 2',
    phases: recipientPhases,
    code: /^45/,
    enhanced: /^4\.7\.1$/,
    text: /try (?:again|later)/i,
    ...greylisted,
  },

  {
    rule: 'size',
    phases: messagePhases,
    source: 'RFC 3463 3.4',
    enhanced: /^.\.(?:3\.4|2\.3)$/,
    ...unwanted,
  },
  {
    rule: 'size-text',
    source: 'RFC 1870 6',
    phases: messagePhases,
    text: /(?:message|size) (?:\w+ ){0,6}(?:too (?:big|large)|exceeds)|exceed\w{0,3} (?:\w+ ){0,4}(?:message|maximum) size/i,
    ...unwanted,
  },
  { rule: 'too-many-recipients', source: 'RFC 5321 4.5.3.1.10', text: /too many recipients/i, ...ours },
  {
    rule: 'too-many-recipients-code',
    source: 'RFC 3463 3.6',
    phases: messagePhases,
    enhanced: /^.\.5\.3$/,
    ...ours,
  },

  {
    rule: 'content-list',
    source: 'https://www.spamhaus.org/blocklists/domain-blocklist/',
    phases: messagePhases,
    text: /\b(?:dbl|uribl|surbl)\b|\b(?:url|uri|link)s? (?:\S+ ){0,6}(?:listed|black ?list\w*|block ?list\w*)/i,
    ...unwanted,
  },
  {
    rule: 'blocked',
    source: common,
    text: /block ?list|black ?list|\brbl\b|\bdnsbl\b|spamhaus|blocked using|csi\.cloudmark\.com|banned (?:sending|sender|ip)|(?:poor|bad|low) reputation|reputation of the sending/i,
    ...blocked(1),
  },
  {
    rule: 'sender-refused',
    source: 'RFC 5321 3.3',
    phases: ['mail'],
    code: /^5/,
    ...identity,
  },
  {
    rule: 'sender-text',
    source: common,
    phases: messagePhases,
    text: /sender (?:address |domain )?(?:\S+ )?(?:rejected|not (?:verified|allowed|owned))|sender verif\w+ failed/i,
    ...identity,
  },
  {
    rule: 'sender-address',
    phases: messagePhases,
    source: 'RFC 3463 3.2',
    enhanced: /^.\.1\.[78]$/,
    ...identity,
  },
  {
    rule: 'content',
    source: common,
    phases: messagePhases,
    text: /\bspam\b|\bvirus\b|malware|phish|\bcontent (?:rejected|denied|filter)|nature of the content|unsolicited|rfc ?5322|message (?:is )?(?:malformed|looks)/i,
    ...unwanted,
  },

  {
    rule: 'recipient-inactive',
    source: common,
    phases: recipientPhases,
    code: /^5/,
    enhanced: notPolicy,
    text: inactive,
    ...hard,
  },
  {
    rule: 'recipient-inactive-code',
    source: 'RFC 3463 3.3',
    phases: recipientPhases,
    code: /^5/,
    enhanced: /^.\.2\.[12]$/,
    text: /^(?!.*temporar).*(?:disabled|inactive)/i,
    ...hard,
  },
  {
    rule: 'mailbox-full',
    source: 'RFC 3463 3.3',
    phases: recipientPhases,
    code: /^5/,
    enhanced: notPolicy,
    text: full,
    ...softRefusal,
  },
  {
    rule: 'mailbox-full-for-now',
    source: 'RFC 3463 3.3',
    phases: recipientPhases,
    code: /^4/,
    text: full,
    ...softRecipient,
  },
  {
    rule: 'no-such-domain',
    source: common,
    phases: recipientPhases,
    code: /^5/,
    enhanced: notPolicy,
    text: /(?:domain|host)(?: name)? (?:is )?(?:not found|unknown|does(?: not|n't) exist)|unknown (?:host|domain)|nxdomain|null mx|does(?: not|n't) accept (?:any )?e?mail/i,
    ...deadDomain,
  },
  {
    rule: 'recipient-unknown',
    source: common,
    phases: recipientPhases,
    code: /^5/,
    enhanced: notPolicy,
    text: unknown,
    ...hard,
  },
  {
    rule: 'mailbox-unavailable',
    source: 'RFC 5321 4.2.3',
    phases: ['rcpt'],
    code: /^5/,
    enhanced: notPolicy,
    text: noMailbox,
    ...hard,
  },
  {
    rule: 'recipient-refused',
    source: exim,
    phases: recipientPhases,
    code: /^5/,
    enhanced: notPolicy,
    text: /unroute?able address|address rejected: access denied/i,
    ...ambiguous,
  },
  {
    rule: 'recipient-not-now',
    source: common,
    phases: recipientPhases,
    code: /^4/,
    enhanced: notPolicy,
    text: new RegExp(`${inactive.source}|${unknown.source}|${noMailbox.source}`, 'i'),
    ...softRecipient,
  },
  {
    rule: 'policy-text',
    source: common,
    phases: messagePhases,
    code: /^5/,
    enhanced: /^$/,
    text: /\bpolicy\b|prohibit|administrative|not authori[sz]ed/i,
    ...unwanted,
  },
  {
    rule: 'server-not-now',
    source: 'RFC 5321 4.2.3',
    code: /^4/,
    enhanced: /^$/,
    text: /local error|temporar(?:y|ily)|try (?:again|later)|later|service (?:not available|unavailable)|insufficient system|time(?:d )?out/i,
    ...softDestination,
  },
];
