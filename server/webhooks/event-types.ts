/** What an endpoint may be told of. Whoever makes the event announces it: kernel/queries-outbox.ts. */
export const EVENT_TYPES = {
  'message.accepted': 'The recipient’s mail server, or the relay, has taken the message.',
  'message.deferred': 'It was put off by the recipient’s side, and will be tried again.',
  'message.rejected': 'It was refused for good.',
  'message.bounced': 'It was taken, and came back later.',
  'message.uncertain': 'Nobody can know whether it was taken; it is not sent again.',
  'message.expired': 'It could not be delivered in its time.',
  'message.suppressed': 'It was not sent, because its recipient may not be written to.',
  'message.complained': 'The recipient called it spam.',
  'contact.subscribed': 'Somebody is subscribed to a list. An import tells of itself instead.',
  'contact.unsubscribed': 'Somebody is no longer subscribed to a list.',
  'campaign.started': 'It has begun: its audience is being fixed.',
  'campaign.paused': 'It was paused, by a person or because too much went wrong.',
  'campaign.finished': 'No message of it is left to be sent.',
  'campaign.cancelled': 'What had not been sent will not be.',
  'campaign.failed': 'It could not be sent.',
  'import.finished': 'All of an imported file is in.',
  'import.failed': 'An import ended before the end of its file.',
  'domain.verified': 'A key of a sending domain was found in the DNS, and signs from now on.',
  'payment.succeeded': 'Money has moved: a charge, or a refund.',
  'payment.failed': 'No money has moved.',
  'invoice.issued': 'An invoice or a credit note has its number.',
} as const;

export type EventType = keyof typeof EVENT_TYPES;

/** Sent on request, to the one endpoint that is tried out. */
export const TEST_EVENT_TYPE = 'webhook.test';
