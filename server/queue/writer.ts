/**
 * The queue's pen: the only place where a message's state is written after its claim.
 *
 * Marks (claimed → committing) and results are group-committed: what arrives while one transaction commits goes into
 * the next, so that a mark costs a fraction of a commit. A transaction holds the marks and results of one campaign,
 * with their events and counters. Every row is fenced by worker and attempt; a row that the fence refuses belongs to
 * somebody else by now: the write is dropped and counted.
 *
 * A worker has one writer, and it writes in the order of the calls: a result is never durable later than the next mark of
 * the same connection, so a crash finds at most one message of a connection `committing`.
 *
 * When the answer to a COMMIT is lost, the same batch is written again, and then its rows are asked for: a mark that is
 * durable counts as made, a result that is durable counts as written. Asked after the write, because the first
 * transaction may still be on its way, and the write waits for it.
 */
import { type Database, isRetryable, type Tx } from '../kernel/database.ts';
import type { Log } from '../kernel/log.ts';
import * as kernelQueries from '../kernel/queries.ts';
import { refundAllowance } from '../kernel/queries-gates.ts';
import type { Scope } from '../kernel/scope.ts';
import { type MessageEvent, recordEvents } from '../outcomes/record.ts';
import { Moves, SHARDS } from '../stats/counters.ts';
import * as queries from './queries.ts';
import { type MessageState, mayMove } from './states.ts';

const ROWS_PER_COMMIT_MAX = 250;
const RETRY_MS = 200;
/** How long the relay may be kept waiting for the dot while the database is away. */
const MARK_WAIT_MS_MAX = 60_000;

export interface Owned {
  workspaceId: string;
  campaignId: string;
  contactId: string;
  lane: number;
  email: string;
  attempt: number;
}

export interface Result {
  message: Owned;
  from: 'claimed' | 'committing';
  to: MessageState;
  /** For a state that waits. */
  dueInMs: number | null;
  /** True when the attempt spent a try of the message. */
  spent: boolean;
  /** The lane where it waits from now on; null: its own. */
  toLane: number | null;
  /** What is told of it; null for a release, which is not an event of the message. */
  event: Omit<MessageEvent, 'contactId' | 'email' | 'attempt'> | null;
}

interface Mark {
  message: Owned;
  since: number;
  answer: (maySend: boolean) => void;
}

interface Batch {
  key: queries.CampaignKey;
  marks: Mark[];
  results: Result[];
}

export interface WriterOptions {
  database: Database;
  log: Log;
  workerId: string;
}

export class Writer {
  readonly #options: WriterOptions;
  readonly #shard = 1 + Math.floor(Math.random() * (SHARDS - 1));
  #marks: Mark[] = [];
  #results: Result[] = [];
  #signal: (() => void) | undefined;
  #idle: (() => void)[] = [];
  #writing: Batch | undefined;
  #ended = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Resolves true when `committing` is durable, false when this worker may not send the message now. */
  mark(message: Owned): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    return new Promise((answer) => {
      this.#marks.push({ message, since: performance.now(), answer });
      this.#signal?.();
    });
  }

  /** Takes a result; it is durable when `flushed` resolves. */
  settle(result: Result): void {
    if (!mayMove(result.from, result.to)) throw new Error(`no move from ${result.from} to ${result.to}`);
    this.#results.push(result);
    this.#signal?.();
  }

  /** Messages whose result is here and not known to be durable. */
  unwritten(): Owned[] {
    return [...this.#results, ...(this.#writing?.results ?? [])].map((result) => result.message);
  }

  /** Resolves when everything taken so far is durable. */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#signal?.();
    });
  }

  /** Writes until the scope ends. What is still here then is dropped: the worker was declared dead, or is drained. */
  async run(scope: Scope): Promise<void> {
    while (!scope.ended) {
      this.#writing = this.#nextBatch();
      if (this.#writing) await this.#write(scope, this.#writing);
      else await this.#rest(scope);
    }
    this.#ended = true;
    refuse(this.#marks);
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #rest(scope: Scope): Promise<void> {
    for (const resolve of this.#idle.splice(0)) resolve();
    const rest = scope.child('writer');
    this.#signal = () => rest.cancel('work');
    await rest.sleep(60_000).catch(() => {});
    this.#signal = undefined;
    rest.cancel('done');
  }

  #nextBatch(): Batch | undefined {
    const first = this.#marks[0]?.message ?? this.#results[0]?.message;
    if (!first) return undefined;
    const key = { workspaceId: first.workspaceId, campaignId: first.campaignId };
    const marks = take(this.#marks, (mark) => sameCampaign(mark.message, key));
    const results = take(this.#results, (result) => sameCampaign(result.message, key));
    this.#marks = marks.rest;
    this.#results = results.rest;
    return { key, marks: marks.taken, results: results.taken };
  }

  async #write(scope: Scope, batch: Batch): Promise<void> {
    for (let again = false; ; again = true) {
      try {
        await this.#commit(batch, again);
        return;
      } catch (error) {
        if (!isRetryable(error)) throw error;
        this.#options.log.warn({ event: 'write_retried', error: (error as Error).message });
        batch.marks = refuseLate(batch.marks);
        await scope.sleep(RETRY_MS).catch(() => {});
        if (scope.ended) return refuse(batch.marks);
      }
    }
  }

  async #commit(batch: Batch, again: boolean): Promise<void> {
    const { database, workerId } = this.#options;
    const of = { ...batch.key, workerId };
    const shard = this.#shard;
    const written = await database.withWorkspace(batch.key.workspaceId, async (tx) => {
      const moves = new Moves();
      const [marked, settled] = await Promise.all([
        writeMarks(tx, of, batch.marks, moves, again),
        writeResults(tx, of, batch.results, moves, again),
      ]);
      refund(tx, batch.key, settled.fresh);
      wakeLanes(tx, batch.key, settled.fresh);
      moves.write(tx, batch.key, shard);
      return { marked, settled };
    });
    for (const mark of batch.marks) mark.answer(written.marked.has(mark.message.contactId));
    await this.#countZombies(batch, written.settled);
  }

  async #countZombies(batch: Batch, settled: Settled): Promise<void> {
    const count = batch.results.length - settled.fresh.length - settled.before;
    if (count === 0) return;
    const { database, log } = this.#options;
    log.warn({ event: 'zombie_write', campaign: batch.key.campaignId, count });
    await database.withSystem((tx) => kernelQueries.addZombieWrites(tx, count)).catch(() => {});
  }
}

function take<Item>(items: Item[], belongs: (item: Item) => boolean): { taken: Item[]; rest: Item[] } {
  const taken: Item[] = [];
  const rest: Item[] = [];
  for (const item of items) (taken.length < ROWS_PER_COMMIT_MAX && belongs(item) ? taken : rest).push(item);
  return { taken, rest };
}

function sameCampaign(message: Owned, key: queries.CampaignKey): boolean {
  return message.campaignId === key.campaignId && message.workspaceId === key.workspaceId;
}

/** The relay does not wait for ever: marks that waited too long are refused, and their messages sent later. */
function refuseLate(marks: Mark[]): Mark[] {
  const since = performance.now() - MARK_WAIT_MS_MAX;
  refuse(marks.filter((mark) => mark.since < since));
  return marks.filter((mark) => mark.since >= since);
}

function refuse(marks: Mark[]): void {
  for (const mark of marks) mark.answer(false);
}

type Of = queries.CampaignKey & { workerId: string };

/** Contacts whose mark is durable when the transaction commits. */
async function writeMarks(tx: Tx, of: Of, marks: Mark[], moves: Moves, again: boolean): Promise<Set<string>> {
  const groups = Map.groupBy(marks, (mark) => mark.message.attempt);
  const written = await Promise.all(
    [...groups].map(async ([attempt, group]) => {
      const contactIds = group.map((mark) => mark.message.contactId);
      const fence = { ...of, attempt };
      const fresh = await queries.markCommitting(tx, fence, contactIds);
      const marked = again ? await queries.alreadyCommitting(tx, fence, contactIds) : fresh;
      moves.move('claimed', 'committing', fresh.length);
      return marked;
    }),
  );
  return new Set(written.flat());
}

interface Settled {
  fresh: Result[];
  /** Results that an earlier try of the same batch had made durable. */
  before: number;
}

async function writeResults(
  tx: Tx,
  of: Of,
  results: Result[],
  moves: Moves,
  again: boolean,
): Promise<Settled> {
  const groups = Map.groupBy(
    results,
    ({ message, from, to, dueInMs, spent, toLane }) =>
      `${message.attempt} ${from} ${to} ${dueInMs} ${spent} ${toLane}`,
  );
  const written = await Promise.all(
    [...groups.values()].map((group) => writeGroup(tx, of, group, moves, again)),
  );
  const fresh = written.flatMap((group) => group.fresh);
  recordEvents(tx, of.workspaceId, of.campaignId, fresh.flatMap(eventOf));
  return { fresh, before: written.reduce((sum, group) => sum + group.before, 0) };
}

/** Results that differ in nothing but the contact. */
async function writeGroup(tx: Tx, of: Of, group: Result[], moves: Moves, again: boolean): Promise<Settled> {
  const [like] = group;
  if (!like) return { fresh: [], before: 0 };
  const fence = { ...of, attempt: like.message.attempt };
  const contactIds = group.map((result) => result.message.contactId);
  const written = new Set(await queries.settleMessages(tx, fence, like, contactIds));
  const there = again ? (await queries.alreadySettled(tx, fence, like.to, contactIds)).length : written.size;
  moves.move(like.from, like.to, written.size);
  return {
    fresh: group.filter((result) => written.has(result.message.contactId)),
    before: there - written.size,
  };
}

function eventOf({ message, event }: Result): MessageEvent[] {
  if (!event) return [];
  const { contactId, email, attempt } = message;
  return [{ contactId, email, attempt, ...event }];
}

/** What went back without having been sent is not counted against the campaign's speed. */
function refund(tx: Tx, key: queries.CampaignKey, results: Result[]): void {
  const released = results.filter(({ event, dueInMs }) => event === null && dueInMs !== null).length;
  if (released > 0) refundAllowance(tx, { workspaceId: key.workspaceId, key: key.campaignId }, released);
}

/** Locks are taken in one order everywhere: campaign, messages, gate, lane, counters. */
function wakeLanes(tx: Tx, key: queries.CampaignKey, results: Result[]): void {
  const earliest = new Map<number, number>();
  const moved = new Set<number>();
  for (const { message, dueInMs, toLane } of results) {
    const lane = toLane ?? message.lane;
    if (toLane !== null) moved.add(toLane);
    if (dueInMs !== null)
      earliest.set(lane, Math.min(dueInMs, earliest.get(lane) ?? Number.POSITIVE_INFINITY));
  }
  if (moved.size > 0) queries.holdStill(tx, key);
  const lane = { workspaceId: key.workspaceId, queue: 'message' as const, key: key.campaignId };
  for (const [number, dueInMs] of [...earliest].sort(([a], [b]) => a - b))
    if (moved.has(number)) queries.addLane(tx, key, number, dueInMs);
    else kernelQueries.wakeLane(tx, { ...lane, number }, dueInMs);
}
