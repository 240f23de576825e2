/** What a test and its recording sink say to each other, and what the sink writes down. */

export interface SinkBehaviour {
  /** From a message's durable record to its 250: a random time between both. */
  replyMs: [min: number, max: number];
  /**
   * `open`: well. `refuse`: nobody listens, and open connections are reset. `silent`: connections are taken and
   * nothing is read or said any more; when it ends they are reset. `busy`: 421 to everything, and nothing is recorded.
   */
  door: 'open' | 'refuse' | 'silent' | 'busy';
  /** Shares of the messages, 0 to 1. The first cuts instead of 354, the second after the record was made. */
  cutBeforeDot: number;
  cutAfterDot: number;
  /** 451 to the dot; not recorded. */
  refuseAtDot: number;
  /** So many messages get their 250, counted from the start; later ones are recorded, and their 250 waits. */
  repliesMax: number;
}

export const WELL: SinkBehaviour = {
  replyMs: [0, 0],
  door: 'open',
  cutBeforeDot: 0,
  cutAfterDot: 0,
  refuseAtDot: 0,
  repliesMax: Number.POSITIVE_INFINITY,
};

/** One accepted message, one line of JSON in the sink's log. It is durable before the 250 leaves. */
export interface SinkRecord {
  atMs: number;
  /** The Subject names the campaign, so that a duplicate is seen whatever its Message-ID. */
  subject: string;
  recipient: string;
  messageId: string;
}

export interface SinkReport {
  port: number;
  accepted: number;
  /** Messages of one campaign that one recipient got again. */
  duplicates: number;
  connectionsOpen: number;
  /** Connections that were taken, since the start. */
  connections: number;
  /** By second since the start. Refused connections never reach the sink and are not in it. */
  connectionsBySecond: Record<number, number>;
}

export type SinkQuestion =
  | { kind: 'behave'; behaviour: Partial<SinkBehaviour> }
  | { kind: 'report' }
  /** Answered when so many messages were accepted since the start. */
  | { kind: 'await'; accepted: number };
