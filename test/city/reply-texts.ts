/**
 * What the providers say, in their own words, from their postmaster pages and from what others got to read; the names in
 * braces are filled in (spec.ts). Where a provider's own words are not known it speaks like the software that it runs.
 */
import type { ReplyTexts } from './spec.ts';

/** Postfix, with postgrey and anvil. */
export const postfixTexts: ReplyTexts = {
  accepted: '250 2.0.0 Ok: queued as {id}',
  unknownUser: '550 5.1.1 <{recipient}>: Recipient address rejected: User unknown in virtual mailbox table',
  inactive: '550 5.2.1 <{recipient}>: Recipient address rejected: This mailbox is disabled',
  mailboxFull: '452 4.2.2 <{recipient}>: Recipient address rejected: Mailbox is full',
  overRate: '450 4.2.1 <{recipient}>: Recipient address rejected: Mailbox is receiving email too quickly',
  content: '550 5.7.1 Message rejected due to content restrictions',
  greylisted:
    '450 4.2.0 <{recipient}>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/{domain}.html',
  throttled: '450 4.7.1 Error: too much mail from {source}',
  blocked:
    '554 5.7.1 Service unavailable; Client host [{source}] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/{source}',
  tooManyConnections: '421 4.7.0 {host} Error: too many connections from {source}',
  tooManyMessages: '421 4.7.0 {host} Error: too many messages in this session',
};

export const gmailTexts: ReplyTexts = {
  ...postfixTexts,
  accepted: '250 2.0.0 OK  {id} - gsmtp',
  unknownUser: `550 5.1.1 The email account that you tried to reach does not exist. Please try
5.1.1 double-checking the recipient's email address for typos or
5.1.1 unnecessary spaces. For more information, go to
5.1.1  https://support.google.com/mail/?p=NoSuchUser {id} - gsmtp`,
  inactive: `550 5.2.1 The email account that you tried to reach is inactive. For more
5.2.1 information, go to
5.2.1  https://support.google.com/mail/?p=DisabledUser {id} - gsmtp`,
  mailboxFull: `452 4.2.2 The recipient's inbox is out of storage space. Please direct the
4.2.2 recipient to
4.2.2  https://support.google.com/mail/?p=OverQuotaTemp {id} - gsmtp`,
  overRate: `450 4.2.1 The user you are trying to contact is receiving email too quickly.
4.2.1 Please resend your message at a later time. For more information, go to
4.2.1  https://support.google.com/mail/?p=ReceivingRate {id} - gsmtp`,
  content: `550 5.7.1 [{source}] Gmail has detected that this message is likely
5.7.1 unsolicited mail. To reduce the amount of spam sent to Gmail, this
5.7.1 message has been blocked. For more information, go to
5.7.1  https://support.google.com/mail/?p=UnsolicitedMessageError {id} - gsmtp`,
  throttled: `421 4.7.28 Gmail has detected an unusual rate of unsolicited email originating
4.7.28 from your IP address. To protect our users from spam, email sent from
4.7.28 your IP address has been temporarily rate limited. For more information, go to
4.7.28  https://support.google.com/mail/?p=UnsolicitedRateLimitError {id} - gsmtp`,
  blocked: `550 5.7.1 [{source}] Gmail has detected that this message is likely suspicious due
5.7.1 to the very low reputation of the sending IP address. To best protect our users
5.7.1 from spam, the message has been blocked. For more information, go to
5.7.1  https://support.google.com/mail/answer/188131 {id} - gsmtp`,
  tooManyConnections: '421 4.7.0 Try again later, closing connection. (EHLO) {id} - gsmtp',
  tooManyMessages: '421 4.7.0 Try again later, closing connection. (MAIL) {id} - gsmtp',
};

const microsoftTexts: ReplyTexts = {
  ...postfixTexts,
  accepted:
    '250 2.6.0 {messageId} [InternalId={id}, Hostname={host}] 8412 bytes in 0.096, 85.511 KB/sec Queued mail for delivery -> 250 2.1.5',
  mailboxFull:
    '452 4.2.2 STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded',
  overRate: '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded',
  content: '550 5.7.1 Message rejected as spam by Content Filtering.',
  throttled:
    '451 4.7.650 The mail server [{source}] has been temporarily rate limited due to IP reputation. For e-mail delivery information, see https://aka.ms/postmaster (S3113)',
  tooManyConnections:
    '421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing transmission channel',
  tooManyMessages: '421 4.4.2 Message submission rate for this client has exceeded the configured limit',
};

export const outlookTexts: ReplyTexts = {
  ...microsoftTexts,
  unknownUser: '550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [{host} {id}]',
  blocked:
    "550 5.7.1 Unfortunately, messages from [{source}] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150). [{host} {id}]",
  tooManyConnections:
    '451 4.7.652 The mail server [{source}] has exceeded the maximum number of connections. (S3115) [{host} {id}]',
  tooManyMessages:
    '421 RP-002 The mail server IP connecting to Outlook.com server has exceeded the rate limit allowed on this connection.',
};

export const office365Texts: ReplyTexts = {
  ...microsoftTexts,
  unknownUser: '550 5.4.1 Recipient address rejected: Access denied. [{host} {id}]',
  throttled: '451 4.7.500 Server busy. Please try again later from [{source}]. (S77719) [{host} {id}]',
  blocked:
    '550 5.7.606 Access denied, banned sending IP [{source}]. To request removal from this list please visit https://sender.office.com/ and follow the directions. [{host} {id}]',
};

/** Exchange on somebody's own machine, behind milter-greylist. */
export const exchangeTexts: ReplyTexts = {
  ...microsoftTexts,
  unknownUser: '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup',
  greylisted: '451 4.7.1 Greylisting in action, please come back in {wait}',
  blocked: '550 5.7.1 Recipient rejected (R14) - IP address [{source}] is on a blocklist',
};

export const yahooTexts: ReplyTexts = {
  ...postfixTexts,
  accepted: '250 ok dirdel',
  unknownUser: "554 delivery error: dd This user doesn't have a {domain} account ({recipient}) [-5] - {host}",
  inactive: '554 delivery error: dd This account has been disabled or discontinued [#102]. - {host}',
  mailboxFull: '452 4.2.2 Requested mail action aborted, mailbox is over its quota',
  content:
    '554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes',
  throttled:
    '421 4.7.0 [TSS04] Messages from {source} temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes',
  blocked:
    "553 5.7.1 [BL21] Connections will not be accepted from {source}, because the ip is in Spamhaus's list; see https://postmaster.yahooinc.com/error-codes",
  tooManyConnections:
    '421 4.7.0 [TSS04] Messages from {source} temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes',
  tooManyMessages: '421 Max message per connection reached, closing transmission channel',
};

export const appleTexts: ReplyTexts = {
  ...postfixTexts,
  unknownUser: '550 5.1.1 <{recipient}>: user does not exist',
  inactive: '550 5.1.1 <{recipient}>: inactive email address',
  mailboxFull: '452 4.2.2 <{recipient}>: user is over quota',
  overRate:
    '450 4.2.1 Messages to {recipient} deferred due to excessive volume. Try again later - https://support.apple.com/en-us/HT204137',
  content:
    '554 5.7.1 [HM08] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137',
  throttled:
    '421 4.7.1 Messages from {source} deferred due to excessive volume. Try again later - https://support.apple.com/en-us/HT204137',
  blocked: '550 5.7.0 Blocked - see https://ipcheck.proofpoint.com/?ip={source}',
};

export const eximTexts: ReplyTexts = {
  ...postfixTexts,
  accepted: '250 OK id={id}',
  unknownUser: '550 No such user here',
  mailboxFull: '452 4.2.2 <{recipient}> Mailbox is full / Quota exceeded (mailbox for user is full)',
  content: '550 This message was classified as SPAM and may not be delivered',
  throttled: '451 4.7.1 Rate limit exceeded for {source}. Please slow down and try again later.',
  tooManyConnections:
    '421 Too many concurrent SMTP connections from this IP address; please try again later.',
  tooManyMessages: '421 too many messages in this connection',
};
