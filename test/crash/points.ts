/**
 * The places on a message's way where a worker is killed, and what its row must then say: data.
 *
 * Each is a change to a copy of the program, so that the program itself has no hooks; what the changes call is in
 * strike.ts. `predicts` is what the design promises: the states that the row of the message in hand may be in when the
 * dead worker was recovered, and whether its provider has it.
 */
import type { Change } from './copy.ts';
import type { Prediction } from './verdicts.ts';

export interface CrashPoint {
  name: string;
  /** Whose message is in hand: a person's, or the first to a provider, over a connection that is opened for it. */
  strikes: 'person' | 'deferred person' | 'provider' | 'provider with TLS';
  /** POINT stands for the name. */
  place: Change;
  /** Another worker dies there before this one, which recovers it. */
  afterDeathAt?: string;
  predicts: Prediction;
}

/** As if it had never been claimed. */
const WAITS = { states: ['queued', 'deferred'], delivered: 'no' } as const;
const AFTER_MARK = 'after the mark, before the dot';

/** In the order of a message's way. */
export const POINTS: readonly CrashPoint[] = [
  {
    name: `in the middle of the claim's commit`,
    strikes: 'person',
    place: before(
      'server/kernel/lanes.ts',
      'await queries.serveLane(tx, lane);',
      'crash.inCommit(POINT, tx.client, rows.flatMap(({ email }) => email ?? []));',
    ),
    predicts: WAITS,
  },
  {
    name: `after the claim's commit`,
    strikes: 'person',
    place: before(
      'server/kernel/lanes.ts',
      'if (rows.length > 0) reader.accept(rows, lane);',
      'crash.here(POINT, rows.flatMap(({ email }) => email ?? []));',
    ),
    predicts: WAITS,
  },
  {
    name: `after the claim's commit, of what was deferred before`,
    strikes: 'deferred person',
    place: before(
      'server/kernel/lanes.ts',
      'if (rows.length > 0) reader.accept(rows, lane);',
      'crash.here(POINT, rows.filter(({ deferrals }) => deferrals > 0).map(({ email }) => email));',
    ),
    predicts: { states: ['deferred'], delivered: 'no' },
  },
  {
    name: 'while looking up DNS',
    strikes: 'provider',
    place: instead(
      'server/smtp/dns-query.ts',
      'socket.send(encode(queryPacket(id, question)));',
      `socket.send(encode(queryPacket(id, question)), () => crash.here(POINT, ['@' + question.name]));`,
    ),
    predicts: WAITS,
  },
  {
    name: 'after sorting into a lane',
    strikes: 'person',
    place: before(
      'server/queue/writer.ts',
      'for (const mark of batch.marks) mark.answer(',
      'crash.here(POINT, batch.results.filter(({ toLane }) => toLane !== null).map(({ message }) => message.email));',
    ),
    predicts: WAITS,
  },
  {
    name: `in the middle of the commit that grants a quota lease`,
    strikes: 'provider',
    place: before(
      'server/delivery/quota-renewal.ts',
      'save(tx, renewer, renewals);',
      'crash.inCommit(POINT, tx.client, [crash.anyone]);',
    ),
    predicts: WAITS,
  },
  {
    name: 'while a quota lease is held, before the connection',
    strikes: 'provider',
    place: before(
      'server/delivery/mx-link.ts',
      'const opened = await openMxConnection(',
      'crash.here(POINT);',
    ),
    predicts: WAITS,
  },
  {
    name: 'inside STARTTLS',
    strikes: 'provider with TLS',
    // The keys are made: the server has answered, and our part of the handshake is still to come.
    place: before(
      'server/smtp/tls.ts',
      `secure.once('error', fail);`,
      `secure.once('keylog', crash.whenever(POINT));`,
    ),
    predicts: WAITS,
  },
  {
    name: 'after EHLO, before MAIL',
    strikes: 'provider',
    place: before(
      'server/delivery/mx-link.ts',
      'opened.connection.onClose(() => permit.release());',
      'crash.here(POINT);',
    ),
    predicts: WAITS,
  },
  {
    name: 'after RCPT, before the mark',
    strikes: 'person',
    place: before(
      'server/smtp/transaction.ts',
      'return stopped ?? content(wire, message.data, beforeDot);',
      'if (!stopped) crash.here(POINT);',
    ),
    predicts: WAITS,
  },
  {
    name: `in the middle of the mark's commit`,
    strikes: 'person',
    place: before(
      'server/queue/writer.ts',
      'moves.write(tx, batch.key, shard);',
      'crash.inCommit(POINT, tx.client, batch.marks.map(({ message }) => message.email));',
    ),
    predicts: { states: [...WAITS.states, 'uncertain'], delivered: 'no' },
  },
  {
    name: AFTER_MARK,
    strikes: 'person',
    place: before('server/smtp/transaction.ts', 'const early = wire.peek();', 'crash.here(POINT);'),
    predicts: { states: ['uncertain'], delivered: 'no' },
  },
  {
    name: 'after the dot, before the reply',
    strikes: 'person',
    place: before(
      'server/smtp/transaction.ts',
      `const answer = await wire.next('dot');\n  return`,
      'crash.here(POINT);',
    ),
    predicts: { states: ['uncertain'], delivered: 'maybe' },
  },
  {
    name: `after the reply, before the result's commit`,
    strikes: 'person',
    place: before('server/smtp/transaction.ts', `return verdict('dot', answer) ??`, 'crash.here(POINT);'),
    predicts: { states: ['uncertain'], delivered: 'yes' },
  },
  {
    name: `in the middle of the result's commit`,
    strikes: 'person',
    place: before(
      'server/queue/writer.ts',
      'moves.write(tx, batch.key, shard);',
      `crash.inCommit(POINT, tx.client, batch.results.filter(({ to }) => to === 'accepted').map(({ message }) => message.email));`,
    ),
    predicts: { states: ['uncertain', 'accepted'], delivered: 'yes' },
  },
  {
    name: `after the result's commit`,
    strikes: 'person',
    place: before(
      'server/queue/writer.ts',
      'for (const mark of batch.marks) mark.answer(',
      `crash.here(POINT, batch.results.filter(({ to }) => to === 'accepted').map(({ message }) => message.email));`,
    ),
    predicts: { states: ['accepted'], delivered: 'yes' },
  },
  {
    name: 'in the middle of the recovery of another dead worker',
    strikes: 'person',
    afterDeathAt: AFTER_MARK,
    place: before(
      'server/queue/recover.ts',
      'const byCampaign = Map.groupBy(',
      'crash.here(POINT, rows.map(({ email }) => email));',
    ),
    predicts: { states: ['uncertain'], delivered: 'no' },
  },
  {
    name: `after the recovery's commit, before the other dead worker is forgotten`,
    strikes: 'person',
    afterDeathAt: AFTER_MARK,
    place: before(
      'server/kernel/worker-session.ts',
      'if (!quiet.has(deadWorkerId)) continue;',
      'crash.here(POINT, [crash.anyone]);',
    ),
    predicts: { states: ['uncertain'], delivered: 'no' },
  },
];

/** Loads strike.ts, and tells it whose message is being sent and when a COMMIT has left. */
const HOLD_OF_THE_MESSAGE: Change[] = [
  before(
    'server/cli/main.ts',
    `import { enableCompileCache } from`,
    `import '${import.meta.resolve('./strike.ts')}';`,
  ),
  instead(
    'server/delivery/deliver.ts',
    'const settled = step(delivery);',
    'const settled = crash.sending(delivery.message.email, () => step(delivery));',
  ),
  after(
    'server/kernel/database.ts',
    `const committed = client.query('COMMIT');`,
    'crash.committing(client);',
  ),
];

/** Leases and waits that nobody wants to sit out hundreds of times. */
const QUICK: Change[] = [
  instead('server/kernel/worker-session.ts', 'LEASE_MS = 12_000', 'LEASE_MS = 300'),
  instead('server/kernel/worker-session.ts', 'RENEW_MS = 3_000', 'RENEW_MS = 60'),
  instead('server/delivery/quota.ts', 'LEASE_MS = 5_000', 'LEASE_MS = 400'),
  instead('server/delivery/quota.ts', 'RENEW_MS = 500', 'RENEW_MS = 80'),
  instead('server/delivery/replied.ts', 'LOST_CONNECTION_WAIT_MS = 2_000', 'LOST_CONNECTION_WAIT_MS = 100'),
  instead('server/delivery/shaping.ts', 'trouble: { baseMs: 1_000', 'trouble: { baseMs: 100'),
  instead('server/campaigns/advance.ts', '\nconst LOOK_AGAIN_MS = 250', '\nconst LOOK_AGAIN_MS = 50'),
  instead('server/cli/worker.ts', 'config.retryBaseSeconds * 1_000', 'config.retryBaseSeconds * 100'),
];

/** All points at once, armed or not. */
export const CHANGES: Change[] = [
  ...QUICK,
  ...HOLD_OF_THE_MESSAGE,
  ...POINTS.map(({ name, place }) => ({
    ...place,
    replace: place.replace.replace('POINT', JSON.stringify(name)),
  })),
];

function before(file: string, find: string, statement: string): Change {
  return { file, find, replace: `${statement}\n${find}` };
}

function after(file: string, find: string, statement: string): Change {
  return { file, find, replace: `${find}\n${statement}` };
}

function instead(file: string, find: string, replace: string): Change {
  return { file, find, replace };
}
