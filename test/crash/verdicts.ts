/**
 * What must hold of a campaign to the city, at a worker's death, after its recovery and at the end: rows against the rows
 * of the look before, against the counters, and against what the city has. Pure; one sentence for each violation.
 */
import type { MessageState } from '../../server/queue/states.ts';

/** A message, as Postgres knows it. */
export interface Row {
  email: string;
  state: MessageState;
  attempt: number;
  deferrals: number;
  workerId: string | null;
  lane: number;
}

/** A worker's part of a provider's limits. */
export interface Share {
  workerId: string;
  /** Whose messages it is for; null for a site of a provider, which is not a destination by itself. */
  lane: number | null;
  isOver: boolean;
}

/** One moment of a campaign. */
export interface Look {
  rows: readonly Row[];
  counters: Readonly<Record<string, number>>;
  /** How often each recipient's provider took the message. */
  delivered: ReadonlyMap<string, number>;
}

/** Of a message: the states that it may be in, and whether its provider has it. */
export interface Prediction {
  states: readonly MessageState[];
  delivered: 'yes' | 'no' | 'maybe';
}

/** What became of the messages that a round is about. */
export interface Round {
  seen: string[];
  /** Empty when all is well. */
  violations: string[];
}

/** In these its provider may have a message, and in no other. */
const SENT: readonly MessageState[] = ['committing', 'uncertain', 'accepted'];

/** At every moment: the counters say what the rows say, and no provider has what was not sent, or lacks what it took. */
export function judgeMoment({ rows, counters, delivered }: Look, people: number): string[] {
  const inState = (state: string) => rows.filter((row) => row.state === state).length;
  const states = new Set([...rows.map(({ state }) => state), ...Object.keys(counters)]);
  const disagreeing = [...states].filter((state) => inState(state) !== (counters[state] ?? 0));
  return [
    ...(rows.length === people ? [] : [`${rows.length} messages for ${people} people`]),
    ...disagreeing.map(
      (state) => `the counter of ${state} is ${counters[state] ?? 0}, not ${inState(state)}`,
    ),
    ...rows.flatMap((row) => judgeDelivery(row, delivered.get(row.email) ?? 0)),
  ];
}

function judgeDelivery({ email, state }: Row, times: number): string[] {
  if (times > 1) return [`${email} got it ${times} times`];
  if (times === 1 && !SENT.includes(state)) return [`${email} got it and is ${state}`];
  if (times === 0 && state === 'accepted') return [`${email} is accepted and never got it`];
  return [];
}

/** Each state means one thing when its worker is dead (queue/recover.ts). */
export function judgeRecovery(atDeath: readonly Row[], recovered: readonly Row[]): string[] {
  const after = new Map(recovered.map((row) => [row.email, row]));
  return atDeath.flatMap((row) => {
    const now = after.get(row.email);
    const expected = stateAfter(row);
    return [
      ...(now?.state === expected
        ? []
        : [`${row.email} was ${row.state} and is ${now?.state}, not ${expected}`]),
      ...(now?.workerId ? [`${row.email} still belongs to a worker`] : []),
    ];
  });
}

function stateAfter({ state, deferrals }: Row): MessageState {
  if (state === 'committing') return 'uncertain';
  if (state !== 'claimed') return state;
  return deferrals > 0 ? 'deferred' : 'queued';
}

export function judgePrediction(rows: readonly Row[], { delivered }: Look, predicts: Prediction): string[] {
  return rows.flatMap(({ email, state }) => {
    const has = delivered.has(email) ? 'yes' : 'no';
    const isWrong = predicts.delivered !== 'maybe' && predicts.delivered !== has;
    return [
      ...(predicts.states.includes(state)
        ? []
        : [`${email} is ${state}, not ${predicts.states.join(' or ')}`]),
      ...(isWrong ? [`whether ${email} was delivered: ${has}, not ${predicts.delivered}`] : []),
    ];
  });
}

/** In the end everybody has it, but for those of whom nobody can know, and these are `uncertain`. */
export function judgeEnd(rows: readonly Row[], doubtful: readonly string[]): string[] {
  return rows.flatMap(({ email, state }) => {
    const expected = doubtful.includes(email) ? 'uncertain' : 'accepted';
    return state === expected ? [] : [`${email} is ${state} in the end, not ${expected}`];
  });
}

/** Nobody holds a part of a limit any more; and where mail went on, what the dead held was taken from them. */
export function judgeShares(
  shares: readonly Share[],
  dead: readonly { workerId: string }[],
  lanesUsed: ReadonlySet<number>,
): string[] {
  return shares.flatMap(({ workerId, lane, isOver }) => {
    if (!isOver) return [`${workerId} still holds a part of the limits of lane ${lane}`];
    const isLeft = dead.some((one) => one.workerId === workerId) && lane !== null && lanesUsed.has(lane);
    return isLeft ? [`the dead ${workerId} is still listed for the limits of lane ${lane}`] : [];
  });
}

/** For the table of a run. */
export function describe({ email, state }: Row, { delivered }: Look): string {
  return delivered.has(email) ? `${state}, delivered` : state;
}
