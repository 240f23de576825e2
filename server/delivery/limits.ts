/**
 * Limits of a target: what the rule says, what was learned from replies, and so what is in force and why. Pure.
 *
 * A target is a mailbox provider or a site (one set of MX hosts) as seen from one source address. Whatever is tighter
 * than the rule, or shut, stands in `Learned` together with the reply and the rule that led to it. All times are Unix
 * milliseconds of the database's clock.
 *
 * How it is learned: shaping.ts. How workers share what is in force: quota-shares.ts.
 */
import type { Limits } from '../smtp/providers.ts';

export interface Target {
  /** '' when the machine's default address is used. */
  source: string;
  /** `provider google`, `site mx.acme.example`. */
  name: string;
  limits: Limits;
}

export interface Why {
  /** Id of the rule that judged the reply. */
  rule: string;
  /** The raw reply, or the error. */
  reply: string;
  sinceMs: number;
}

export interface Learned {
  /** Grows back by evidence, from `holdUntilMs` on. `before`: how many were in use when it was first too much. */
  connections?: Why & { value: number; before: number; holdUntilMs: number };
  /** Grows back by evidence. `before`: how many a second went there when it was first too much. */
  messagesPerSecond?: Why & { value: number; before: number };
  messagesPerConnection?: Why & { value: number; untilMs: number };
  /** Nothing goes there. */
  suspension?: Why & { untilMs: number };
  /** Nothing goes there, and when it is over one connection probes the way. */
  pause?: Why & { cause: PauseCause; failures: number; firstMs: number; untilMs: number; probed: boolean };
}

/** It does not answer, or it asked for less when there was nothing left to lessen. */
export type PauseCause = 'trouble' | 'throttle';

export interface Shape {
  limits: Limits;
  learned: Learned;
  /** Messages taken since a learned limit was last changed. */
  successes: number;
  /** When it was last slowed down; 0: never. */
  slowedAtMs: number;
}

export type Door =
  | { kind: 'open' }
  /** One connection of one worker at a time, until something is known. */
  | { kind: 'probing'; reason: string }
  | { kind: 'shut'; untilMs: number; reason: string };

/** The limits that hold now. */
export function inForce({ limits, learned }: Shape, nowMs: number): Limits {
  const { connections, messagesPerConnection: carries, messagesPerSecond } = learned;
  return {
    connections: Math.min(limits.connections, connections?.value ?? limits.connections),
    messagesPerConnection:
      carries && nowMs < carries.untilMs
        ? Math.min(limits.messagesPerConnection, carries.value)
        : limits.messagesPerConnection,
    messagesPerSecond: least(limits.messagesPerSecond, messagesPerSecond?.value ?? null),
    messagesPerDay: limits.messagesPerDay,
  };
}

/** Whether anything may go there now. */
export function doorOf({ suspension, pause }: Learned, nowMs: number): Door {
  if (suspension && nowMs < suspension.untilMs)
    return { kind: 'shut', untilMs: suspension.untilMs, reason: `suspended after ${said(suspension)}` };
  if (!pause || pause.probed) return { kind: 'open' };
  const times = pause.failures === 1 ? 'once' : `${pause.failures} times in a row`;
  const what = pause.cause === 'trouble' ? 'in trouble' : 'asked to slow down at one connection';
  const reason = `${what} ${times}: ${said(pause)}`;
  return nowMs < pause.untilMs
    ? { kind: 'shut', untilMs: pause.untilMs, reason }
    : { kind: 'probing', reason };
}

/** A limit that is not the rule's, and why. */
export interface Reason extends Why {
  limit: 'door' | 'connections' | 'messages_per_second' | 'messages_per_connection';
  untilMs: number | null;
  sentence: string;
}

export function explain({ limits, learned }: Shape, nowMs: number): Reason[] {
  const { suspension, pause, connections, messagesPerSecond, messagesPerConnection: carries } = learned;
  const door = doorOf(learned, nowMs);
  const shutBy = suspension && nowMs < suspension.untilMs ? suspension : pause;
  return [
    ...(door.kind !== 'open' && shutBy ? [reason('door', shutBy, shutBy.untilMs, doorSentence(door))] : []),
    ...(connections ? [explainConnections(connections, limits.connections, nowMs)] : []),
    ...(messagesPerSecond ? [explainRate(messagesPerSecond, limits.messagesPerSecond)] : []),
    ...(carries && nowMs < carries.untilMs ? [explainCarries(carries, limits.messagesPerConnection)] : []),
  ];
}

function doorSentence(door: Exclude<Door, { kind: 'open' }>): string {
  return door.kind === 'shut'
    ? `Nothing goes there until ${time(door.untilMs)}: ${door.reason}.`
    : `One connection probes the way: ${door.reason}.`;
}

function explainConnections(why: NonNullable<Learned['connections']>, byRule: number, nowMs: number): Reason {
  const { value, sinceMs, holdUntilMs } = why;
  const isHeld = nowMs < holdUntilMs;
  const more = isHeld ? `more from ${time(holdUntilMs)} on, as messages are taken` : GROWTH;
  const sentence = `${value} of ${byRule} connections since ${time(sinceMs)}, after ${said(why)}; ${more}.`;
  return reason('connections', why, isHeld ? holdUntilMs : null, sentence);
}

function explainRate(why: NonNullable<Learned['messagesPerSecond']>, byRule: number | null): Reason {
  const value = Number(why.value.toPrecision(3));
  const of = byRule === null ? '' : ` of ${byRule}`;
  const sentence = `${value}${of} messages a second since ${time(why.sinceMs)}, after ${said(why)}; ${GROWTH}.`;
  return reason('messages_per_second', why, null, sentence);
}

function explainCarries(why: NonNullable<Learned['messagesPerConnection']>, byRule: number): Reason {
  const { value, untilMs } = why;
  const sentence = `${value} of ${byRule} messages per connection until ${time(untilMs)}, after ${said(why)}.`;
  return reason('messages_per_connection', why, untilMs, sentence);
}

const GROWTH = 'more as messages are taken';

function reason(limit: Reason['limit'], why: Why, untilMs: number | null, sentence: string): Reason {
  const { rule, reply, sinceMs } = why;
  return { limit, rule, reply, sinceMs, untilMs, sentence };
}

export function least(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

function said({ reply, rule }: Why): string {
  return `"${reply}" (rule ${rule})`;
}

function time(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
