/**
 * What a mailbox provider of the test city is. Plain data, so that a test can take one from `providers.ts`, change what it
 * wants and hand it to the city's process.
 */

export interface ProviderSpec {
  name: string;
  /** Its share of the recipients, relative to the others in the city. */
  weight: number;
  /** A recipient domain and its MX hosts. Most of the provider's recipients are at the first. */
  domains: readonly { domain: string; mx: readonly (readonly [preference: number, host: string])[] }[];
  /** The name by which its servers introduce themselves, and what they say after it in the greeting. */
  host: string;
  banner: string;
  /** EHLO keywords; what is offered works. */
  keywords: readonly string[];
  limits: Limits;
  texts: ReplyTexts;
  /** Some providers know their users only when they have read the message. */
  unknownUserAt: 'rcpt' | 'dot';
  /** After so long a second try of the same source, sender and recipient passes (greylisting). 0: the first does. */
  greylistMs: number;
  manner: Manner;
}

/** For each source address, over all the provider's domains and hosts. */
export interface Limits {
  connections: number;
  messagesPerConnection: number;
  /** What the provider says beforehand. It allows two seconds' worth at once. Going over it is a breach. */
  messagesPerSecond: number | null;
  /** What the provider keeps to itself: it answers with its throttle reply, and no limit was broken. */
  throttledAbovePerSecond: number | null;
  /** After the last message of a connection: says nothing and closes. */
  closesWhenFull: boolean;
}

/** How it behaves; what a control may change while it runs. */
export interface Manner {
  /**
   * `silent`: takes connections, and says and reads nothing any more. `reset`: resets whatever connects. `throttle` and
   * `block`: to each MAIL the reply of that name.
   */
  door: 'open' | 'silent' | 'reset' | 'throttle' | 'block';
  bannerMs: number;
  /** Between two bytes of what it says; 0: all at once. */
  byteMs: number;
  /** From the dot to its answer. */
  answerMs: number;
  /** Of the recipients, 0 to 1. A recipient whose name begins with FATES[fate].prefix meets it in any case. */
  shares: Partial<Record<Fate, number>>;
  /** Of the connections (starttls) or of the recipients. */
  cuts: Partial<Record<Cut, number>>;
}

export type Fate = 'unknownUser' | 'inactive' | 'mailboxFull' | 'overRate';

/** `attemptsMax`: how often it strikes; the attempt after it succeeds. */
export const FATES: Record<Fate, { prefix: string; attemptsMax: number }> = {
  unknownUser: { prefix: 'nobody-', attemptsMax: Number.POSITIVE_INFINITY },
  inactive: { prefix: 'inactive-', attemptsMax: Number.POSITIVE_INFINITY },
  mailboxFull: { prefix: 'full-', attemptsMax: 2 },
  overRate: { prefix: 'busy-', attemptsMax: 1 },
};

/**
 * Where a connection is cut: instead of the TLS handshake, instead of 354, instead of the answer to the dot (half of the
 * messages were accepted all the same), right behind that answer. A recipient meets a cut at the first attempt only.
 */
export type Cut = 'starttls' | 'data' | 'dot' | 'reply';

/** A message with this word in it is refused for its content. */
export const REFUSED_WORD = 'city-refuses-this-content';

/**
 * The code, then the text; further lines follow after a line break. {recipient}, {domain}, {source}, {host}, {id},
 * {messageId}, {wait} (greylisting, as hh:mm:ss) are filled in.
 */
export interface ReplyTexts extends Record<Fate, string> {
  accepted: string;
  content: string;
  greylisted: string;
  throttled: string;
  blocked: string;
  tooManyConnections: string;
  tooManyMessages: string;
}

/** The spec in a city that runs `speed` times as fast; limits stay as they are. */
export function atSpeed(spec: ProviderSpec, speed: number): ProviderSpec {
  const { manner, greylistMs } = spec;
  return {
    ...spec,
    greylistMs: greylistMs / speed,
    manner: {
      ...manner,
      bannerMs: manner.bannerMs / speed,
      byteMs: manner.byteMs / speed,
      answerMs: manner.answerMs / speed,
    },
  };
}
