/**
 * What single mailbox providers say in their own words and codes. A row counts only when the MX host is the provider's,
 * or, where a relay passed the reply on, when nobody else speaks so. Codes and short stems are matched, not sentences:
 * providers reword them ("Our system has detected" became "Gmail has detected").
 */
import { providers } from './providers.ts';
import {
  blocked,
  greylisted,
  hard,
  messagePhases,
  ours,
  type Rule,
  recipientPhases,
  softDestination,
  softRecipient,
  throttled,
  unwanted,
} from './replies-rule.ts';

const google = { mx: hostsOf('google'), source: 'https://support.google.com/a/answer/3726730' };
const outlook = {
  mx: hostsOf('outlook', 'office365'),
  source: 'https://sendersupport.olc.protection.outlook.com/pm/troubleshooting.aspx',
};
const exchange = {
  ...outlook,
  source:
    'https://learn.microsoft.com/exchange/troubleshoot/email-delivery/ndr/non-delivery-reports-in-exchange-online',
};
const yahoo = { mx: hostsOf('yahoo'), source: 'https://senders.yahooinc.com/smtp-error-codes/' };
const apple = { mx: hostsOf('apple'), source: 'https://support.apple.com/102322' };
const comcast = { mx: ['.comcast.net'], source: 'https://postmaster.comcast.net/smtp-error-codes.php' };
const mimecast = {
  mx: hostsOf('mimecast'),
  source: 'https://mimecastsupport.zendesk.com/hc/en-us/articles/34000709564691',
};
const orange = { mx: hostsOf('orange'), source: 'https://postmaster.orange.fr' };
const gmx = { mx: hostsOf('gmx'), source: 'https://postmaster.gmx.net/en/error-messages' };
const qq = { mx: hostsOf('qq'), source: 'https://service.mail.qq.com' };
const proofpoint = { mx: hostsOf('proofpoint'), source: 'https://ipcheck.proofpoint.com' };

/**
 * Those who publish what bulk mail must prove (SPF, DKIM, DMARC, PTR): when one of them does not believe who we are, the
 * others will not either.
 */
export const bulkRuleHosts: readonly string[] = hostsOf('google', 'yahoo', 'outlook', 'office365', 'apple');

function hostsOf(...names: string[]): string[] {
  return providers.filter(({ name }) => names.includes(name)).flatMap(({ suffixes = [] }) => suffixes);
}

export const providerRules: readonly Rule[] = [
  {
    ...google,
    rule: 'google-over-quota-for-good',
    phases: recipientPhases,
    unmistakable: true,
    code: /^5/,
    text: /p=OverQuotaPerm\b/,
    ...hard,
  },
  {
    ...google,
    rule: 'google-receiving-rate',
    phases: recipientPhases,
    unmistakable: true,
    text: /p=ReceivingRate(?:Perm)?\b/,
    ...softRecipient,
  },
  {
    ...google,
    rule: 'google-disabled-user',
    phases: recipientPhases,
    unmistakable: true,
    code: /^5/,
    text: /p=DisabledUser\b/,
    ...hard,
  },
  {
    ...google,
    rule: 'google-custom-policy',
    phases: messagePhases,
    unmistakable: true,
    text: /- gcdp\b/,
    ...unwanted,
  },
  {
    ...google,
    rule: 'google-same-message-id',
    unmistakable: true,
    text: /same Message-ID/i,
    ...ours,
  },
  { ...google, rule: 'google-connection-expired', text: /connection expired/i, ...softDestination },
  {
    ...google,
    rule: 'google-inbound-gateway',
    text: /not in whitelist for RCPT domain/i,
    class: 'policy',
    fault: 'destination',
  },
  {
    ...google,
    rule: 'google-rate-limited-for-good',
    code: /^5/,
    text: /email has been rate limited/i,
    ...throttled('slow-down', 'source'),
  },
  {
    ...google,
    rule: 'google-no-direct-sending',
    text: /not authorized to send email directly/i,
    ...blocked(6),
  },

  {
    ...outlook,
    rule: 'outlook-connections',
    unmistakable: true,
    text: /\bRP-003\b|\(S3115\)/,
    ...throttled('one-connection', 'source'),
  },
  {
    ...outlook,
    rule: 'outlook-rate',
    unmistakable: true,
    text: /\bRP-00[12]\b|\(S311[34]\)/,
    ...throttled('slow-down', 'source'),
  },
  {
    ...outlook,
    rule: 'outlook-rate-code',
    unmistakable: true,
    enhanced: /^4\.7\.65\d$/,
    ...throttled('slow-down', 'source'),
  },
  { ...outlook, rule: 'outlook-block-list', unmistakable: true, text: /\bS31[45]0\b/, ...blocked(6) },
  {
    ...outlook,
    rule: 'outlook-block-code',
    unmistakable: true,
    text: /\b(?:SC-00[1-4]|DY-00[12]|OU-00[12])\b/,
    ...blocked(6),
  },
  {
    ...exchange,
    rule: 'exchange-banned',
    unmistakable: true,
    enhanced: /^5\.7\.(?:511|60[6-9]|6[1-4]\d|708)$/,
    ...blocked(6),
  },
  {
    ...exchange,
    rule: 'exchange-recipient-unknown',
    unmistakable: true,
    phases: recipientPhases,
    code: /^5/,
    text: /RESOLVER\.ADR\.(?:\w*NotFound|ExRecipNotFound)/i,
    ...hard,
  },
  {
    ...exchange,
    rule: 'exchange-thread-limit',
    phases: recipientPhases,
    unmistakable: true,
    text: /STOREDRV\.\w+; recipient thread limit/i,
    ...softRecipient,
  },
  {
    ...exchange,
    rule: 'exchange-busy',
    unmistakable: true,
    enhanced: /^4\.7\.50\d$/,
    ...throttled('slow-down'),
  },
  {
    ...exchange,
    rule: 'exchange-proxy-error',
    text: /temporary server error.{0,60}\bPRX\d?\b/i,
    ...softDestination,
  },

  {
    ...yahoo,
    rule: 'yahoo-deferred-for-good',
    unmistakable: true,
    text: /\[TS03\]|retrying will not succeed/i,
    ...blocked(6),
    duration: 'permanent',
  },
  {
    ...yahoo,
    rule: 'yahoo-deferred',
    unmistakable: true,
    text: /\[TSS?\d\d\]/,
    ...throttled('slow-down', 'source'),
  },
  {
    ...yahoo,
    rule: 'yahoo-deferred-code',
    unmistakable: true,
    text: /temporarily deferred - (?:\[\d+\]|\d+\.\d+)/i,
    ...throttled('slow-down', 'source'),
  },
  { ...yahoo, rule: 'yahoo-block', unmistakable: true, text: /\[BL\d\d\]/, ...blocked(6) },
  {
    ...yahoo,
    rule: 'yahoo-no-account',
    unmistakable: true,
    phases: recipientPhases,
    code: /^5/,
    text: /delivery error: dd |mailbox is disabled \(554\.30\)/i,
    ...hard,
  },
  {
    ...yahoo,
    rule: 'yahoo-policy',
    phases: messagePhases,
    unmistakable: true,
    text: /\[PH\d\d\]/,
    ...unwanted,
  },

  {
    ...apple,
    rule: 'apple-local-policy',
    phases: messagePhases,
    unmistakable: true,
    text: /\[(?:CS|HM|HC|HCM|HME)\d+\]/,
    ...unwanted,
  },
  {
    ...apple,
    rule: 'apple-recipient-volume',
    phases: recipientPhases,
    unmistakable: true,
    text: /messages to \S+ deferred due to excessive volume/i,
    ...softRecipient,
  },
  {
    ...apple,
    rule: 'apple-busy',
    code: /^451/,
    text: /service unavailable - try again later/i,
    ...throttled('slow-down'),
  },

  {
    ...comcast,
    rule: 'comcast-rate',
    code: /^4/,
    text: /\bRL0{2,6}\d{1,2}\b/,
    ...throttled('slow-down', 'source'),
  },
  { ...comcast, rule: 'comcast-block', text: /\bBL[01]{6}\b/, ...blocked(2) },

  {
    ...mimecast,
    rule: 'mimecast-greylist',
    code: /^451/,
    text: /internal resource temporarily unavailable/i,
    ...greylisted,
  },
  {
    ...mimecast,
    rule: 'mimecast-policy',
    phases: messagePhases,
    code: /^5/,
    text: /administrative prohibition|security polic|header based/i,
    ...unwanted,
  },

  { ...orange, rule: 'orange-suspended', unmistakable: true, text: /\bOFR_999\b/, ...blocked(2) },
  {
    ...gmx,
    rule: 'gmx-policy',
    phases: messagePhases,
    text: /reject due to policy restrictions/i,
    ...unwanted,
  },
  { ...qq, rule: 'qq-frequency', text: /frequency limited/i, ...throttled('slow-down', 'source') },
  {
    ...proofpoint,
    rule: 'proofpoint-block',
    unmistakable: true,
    text: /ipcheck\.proofpoint\.com/i,
    ...blocked(2),
  },
];
