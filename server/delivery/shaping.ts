/**
 * Shaping that learns: what a reply does to a target's limits, and how they grow back. Pure; the one place where it is
 * decided, for the database's copy (quota-renewal.ts) and for a worker's own, which reacts at once (quota-target.ts).
 *
 * Additive increase, multiplicative decrease (as TCP's congestion control, RFC 5681): a reply that asks for less halves
 * what was in use; messages that are taken give it back step by step. What was begun before a change, or within a cohort
 * of it, speaks of the time before and changes nothing more: a hundred connections that hear the same are one reply.
 */
import { type Backoff, backoffMs } from '../kernel/backoff.ts';
import type { Limits } from '../smtp/providers.ts';
import { inForce, type Learned, least, type PauseCause, type Shape, type Why } from './limits.ts';

/** What an answer, or its absence, says about a target. */
export type Reaction = Evidence &
  (
    | { kind: 'slow-down' }
    /** `forMs`: it does not grow before then. */
    | { kind: 'one-connection'; forMs: number }
    /** `carried`: messages that the connection took before it was refused another. */
    | { kind: 'fewer-messages-per-connection'; carried: number }
    | { kind: 'suspend'; forMs: number }
    /** It does not answer: none of its hosts let us in. */
    | { kind: 'trouble' }
    /** It answers. */
    | { kind: 'cleared' }
  );

export interface Evidence {
  /** When the message or the connection was begun: milliseconds, by the clock of the one who hears of it. */
  begunAt: number;
  /** The raw reply, or the error; empty for `cleared`. */
  reply: string;
  /** Id of the rule that judged it. */
  rule: string;
}

/** What all workers together did there lately. */
export interface Usage {
  connections: number;
  messagesPerSecond: number;
}

export const COHORT_MS = 3_000;
/** So many messages for each connection of the present level are evidence for a step. */
const SUCCESSES_PER_CONNECTION = 10;
/** Nobody has tried for so long: what is wrong now is another trouble. */
const TROUBLE_GAP_MS = 3_600_000;
const SUCCESSES_MIN = 5;
const SUCCESSES_SECONDS = 2;
const RATE_GROWTH = 1.1;
/** Connections, or messages a second, that are no limit worth keeping where the rule sets none. */
const FORGOTTEN_AT_MIN = 20;
/** Below it the pauses grow instead. */
const RATE_MIN = 1;
const FEWER_MESSAGES_MS = 24 * 3_600_000;
const PAUSES: Record<PauseCause, Backoff> = {
  trouble: { baseMs: 1_000, capMs: 300_000 },
  throttle: { baseMs: 5_000, capMs: 600_000 },
};
const REPLY_LENGTH_MAX = 500;

/** The same object when the reaction says nothing new. */
export function react(shape: Shape, reaction: Reaction, usage: Usage, nowMs: number): Shape {
  switch (reaction.kind) {
    case 'slow-down':
      return slowDown(shape, reaction, usage, nowMs);
    case 'one-connection':
      return oneConnection(shape, reaction, usage, nowMs);
    case 'fewer-messages-per-connection':
      return fewerMessages(shape, reaction, nowMs);
    case 'suspend':
      return suspend(shape, reaction, usage, nowMs);
    case 'trouble':
      return pause(shape, 'trouble', reaction, nowMs);
    case 'cleared':
      return clear(shape, reaction.begunAt);
  }
}

/** `accepted` messages were taken: evidence for a step, and an end of a probe. */
export function grow(shape: Shape, accepted: number, nowMs: number): Shape {
  const learned = probed(current(shape.learned, nowMs), nowMs);
  const { connections, messagesPerSecond: rate, pause: paused } = learned;
  if (!connections && !rate && !paused?.probed)
    return learned === shape.learned ? shape : { ...shape, learned };
  const successes = shape.successes + accepted;
  const enough = successes >= evidenceAt(inForce(shape, nowMs), rate !== undefined);
  if (!enough || nowMs < (connections?.holdUntilMs ?? 0)) return { ...shape, learned, successes };
  return { ...shape, learned: stepUp(shape, learned), successes: 0 };
}

/** At a slow rate ten messages a connection take too long: then so many as go in a while are enough. */
function evidenceAt({ connections, messagesPerSecond }: Limits, isRateLearned: boolean): number {
  const perConnection = SUCCESSES_PER_CONNECTION * connections;
  if (!isRateLearned || messagesPerSecond === null) return perConnection;
  return Math.min(perConnection, Math.max(SUCCESSES_MIN, messagesPerSecond * SUCCESSES_SECONDS));
}

function slowDown(shape: Shape, reaction: Reaction, usage: Usage, nowMs: number): Shape {
  if (reaction.begunAt < shape.slowedAtMs + COHORT_MS) return shape;
  const why = whyOf(reaction, nowMs);
  const slower = { ...shape, ...slowed(nowMs), learned: halveRate(shape, usage, why, nowMs) };
  if (inForce(shape, nowMs).connections === 1) return pause(slower, 'throttle', reaction, nowMs);
  const used = inUse(shape, usage, nowMs);
  return limitConnections(slower, Math.max(1, Math.floor(used / 2)), used, { ...why, holdUntilMs: 0 });
}

function oneConnection(
  shape: Shape,
  reaction: Extract<Reaction, { kind: 'one-connection' }>,
  usage: Usage,
  nowMs: number,
): Shape {
  if (inForce(shape, nowMs).connections === 1) return slowDown(shape, reaction, usage, nowMs);
  const why = { ...whyOf(reaction, nowMs), holdUntilMs: nowMs + reaction.forMs };
  return limitConnections({ ...shape, ...slowed(nowMs) }, 1, inUse(shape, usage, nowMs), why);
}

function fewerMessages(
  shape: Shape,
  reaction: Extract<Reaction, { kind: 'fewer-messages-per-connection' }>,
  nowMs: number,
): Shape {
  const value = Math.max(1, reaction.carried);
  if (value >= inForce(shape, nowMs).messagesPerConnection) return shape;
  const carries = { ...whyOf(reaction, nowMs), value, untilMs: nowMs + FEWER_MESSAGES_MS };
  return { ...shape, learned: { ...shape.learned, messagesPerConnection: carries } };
}

/** Afterwards it begins again with one connection. */
function suspend(
  shape: Shape,
  reaction: Extract<Reaction, { kind: 'suspend' }>,
  usage: Usage,
  nowMs: number,
): Shape {
  const untilMs = nowMs + reaction.forMs;
  if (untilMs < (shape.learned.suspension?.untilMs ?? 0) + COHORT_MS) return shape;
  const why = whyOf(reaction, nowMs);
  const one = limitConnections({ ...shape, ...slowed(nowMs) }, 1, inUse(shape, usage, nowMs), {
    ...why,
    holdUntilMs: 0,
  });
  return { ...one, learned: { ...one.learned, suspension: { ...why, untilMs } } };
}

/** Growing and jittered. Only what was begun after the last pause, a probe, can make another one. */
function pause(shape: Shape, cause: PauseCause, reaction: Reaction, nowMs: number): Shape {
  const last = shape.learned.pause;
  if (last && reaction.begunAt < last.untilMs) return shape;
  const failures = (last?.failures ?? 0) + 1;
  const untilMs = nowMs + backoffMs(failures, PAUSES[cause]);
  const goesOn = last && last.cause === cause && !last.probed && nowMs - last.untilMs < TROUBLE_GAP_MS;
  const firstMs = goesOn ? last.firstMs : reaction.begunAt;
  const paused = { ...whyOf(reaction, nowMs), cause, failures, firstMs, untilMs, probed: false };
  return { ...shape, learned: { ...shape.learned, pause: paused } };
}

/** An answer to what was begun before the trouble says nothing of it. */
function clear(shape: Shape, begunAt: number): Shape {
  const { pause: paused, ...learned } = shape.learned;
  return paused?.cause === 'trouble' && begunAt >= paused.sinceMs ? { ...shape, learned } : shape;
}

function halveRate({ limits, learned }: Shape, usage: Usage, why: Why, nowMs: number): Learned {
  const inForceNow = inForce({ limits, learned, successes: 0, slowedAtMs: 0 }, nowMs).messagesPerSecond;
  const measured = usage.messagesPerSecond > 0 ? usage.messagesPerSecond : null;
  const rate = least(inForceNow, measured);
  if (rate === null || rate <= RATE_MIN) return learned;
  const before = Math.max(rate, learned.messagesPerSecond?.before ?? 0);
  return { ...learned, messagesPerSecond: { ...why, value: Math.max(RATE_MIN, rate / 2), before } };
}

function limitConnections(
  shape: Shape,
  value: number,
  used: number,
  why: Why & { holdUntilMs: number },
): Shape {
  const before = Math.max(used, shape.learned.connections?.before ?? 0);
  return { ...shape, learned: { ...shape.learned, connections: { ...why, value, before } } };
}

/** A limit that is not reached is not what was too much. */
function inUse(shape: Shape, usage: Usage, nowMs: number): number {
  return Math.max(1, Math.min(inForce(shape, nowMs).connections, usage.connections));
}

function slowed(nowMs: number): Pick<Shape, 'slowedAtMs' | 'successes'> {
  return { slowedAtMs: nowMs, successes: 0 };
}

/** Without what was only for a time. */
function current(learned: Learned, nowMs: number): Learned {
  const { suspension, messagesPerConnection: carries, ...rest } = learned;
  const isOver = (limit: { untilMs: number } | undefined) => limit && limit.untilMs <= nowMs;
  if (!isOver(suspension) && !isOver(carries)) return learned;
  return {
    ...rest,
    ...(suspension && !isOver(suspension) ? { suspension } : {}),
    ...(carries && !isOver(carries) ? { messagesPerConnection: carries } : {}),
  };
}

/** A message that is taken after the pause was the probe. A throttle is forgotten only at the next step up. */
function probed(learned: Learned, nowMs: number): Learned {
  const { pause: paused, ...rest } = learned;
  if (!paused || paused.probed || nowMs < paused.untilMs) return learned;
  return paused.cause === 'trouble' ? rest : { ...rest, pause: { ...paused, probed: true } };
}

/** One more connection and a tenth more messages; a limit is forgotten when it is the rule's, or far from what was too much. */
function stepUp({ limits }: Shape, learned: Learned): Learned {
  const { connections, messagesPerSecond: rate, pause: paused, ...rest } = learned;
  const more = connections && connections.value + 1;
  const faster = rate && rate.value * RATE_GROWTH;
  return {
    ...rest,
    ...(more && more < Math.min(limits.connections, farFrom(connections.before))
      ? { connections: { ...connections, value: more } }
      : {}),
    ...(faster && faster < (limits.messagesPerSecond ?? farFrom(rate.before))
      ? { messagesPerSecond: { ...rate, value: faster } }
      : {}),
    ...(paused && !paused.probed ? { pause: paused } : {}),
  };
}

function farFrom(before: number): number {
  return Math.max(2 * before, FORGOTTEN_AT_MIN);
}

/** A reply may name the recipient, and these tables belong to no tenant. */
function whyOf({ rule, reply }: Reaction, nowMs: number): Why {
  const masked = reply
    .replace(/[^\s<>"']+@[^\s<>"']+/g, '…@…')
    .slice(0, REPLY_LENGTH_MAX)
    .toWellFormed();
  return { rule, reply: masked, sinceMs: Math.round(nowMs) };
}
