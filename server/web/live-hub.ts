/**
 * The live streams of one process. However many clients watch a topic, it is looked at once a second, by polling, because a
 * pooler in transaction mode carries no LISTEN; and only while somebody watches.
 *
 * - A client is sent a snapshot first and then changes, so whoever loses the connection connects again and has lost nothing.
 *   The view of a topic and its clients change in one step: no change is missed between a snapshot and what follows.
 * - Who does not read is dropped: what waits for a client has a bound.
 * - Every beat a comment keeps the connection alive, and who asked is asked for again: a key that was revoked, a session or
 *   a role that has ended, ends the stream.
 * - When the process drains, all streams end, and their clients connect to another.
 */
import { Readable } from 'node:stream';
import type { Database } from '../kernel/database.ts';
import type { Log } from '../kernel/log.ts';
import type { Scope } from '../kernel/scope.ts';
import { changesOf } from './live-changes.ts';
import { type Topic, topicOf, type View } from './live-topics.ts';
import { comeAgain, notFound } from './problem.ts';

export const CLIENTS_PER_WORKSPACE_MAX = 200;
const CLIENTS_MAX = 2_000;
const TOPICS_PER_WORKSPACE_MAX = 50;
const WAITING_BYTES_MAX = 65_536;
const RETRY_MS = 2_000;
const FULL_RETRY_MS = 30_000;

export interface LiveTiming {
  /** Between two looks at a topic. */
  lookMs: number;
  /** Of the comments, and of the question whether the client may still listen. */
  beatMs: number;
}

const LIVE_TIMING: LiveTiming = { lookMs: 1_000, beatMs: 15_000 };

export interface Listener {
  workspaceId: string;
  topics: readonly string[];
  /** Of its request. */
  scope: Scope;
  /** Whether it may still listen to them; rejects when nobody can say now. */
  isStillAllowed(): Promise<boolean>;
}

interface Client extends Listener {
  stream: Readable;
  /** Of its events; 0: it still waits for its snapshots, and hears of no changes. */
  sent: number;
}

interface Feed {
  workspaceId: string;
  topic: Topic;
  /** Undefined: there is no such thing. */
  view: View | undefined;
  first: Promise<void>;
  clients: Set<Client>;
  scope: Scope;
}

export interface LiveOptions {
  database: Database;
  log: Log;
  /** Ends when the process begins to drain. */
  serving: Scope;
  timing?: LiveTiming;
}

export class LiveHub {
  readonly #options: LiveOptions;
  readonly #timing: LiveTiming;
  readonly #clients = new Set<Client>();
  /** By workspace and topic. */
  readonly #feeds = new Map<string, Feed>();
  readonly #beat: NodeJS.Timeout;

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#timing = options.timing ?? LIVE_TIMING;
    this.#beat = setInterval(() => this.#beatAll(), this.#timing.beatMs);
    options.serving.onEnd(() => this.#stop());
  }

  /** How many topics are looked at. */
  get watched(): number {
    return this.#feeds.size;
  }

  /** A stream of server-sent events, which begins with a snapshot of each topic. Throws a Problem. */
  async open(listener: Listener): Promise<Readable> {
    this.#assertRoom(listener);
    const client: Client = { ...listener, stream: new Readable({ read() {} }), sent: 0 };
    const leave = () => this.#leave(client);
    this.#clients.add(client);
    client.stream.once('close', leave);
    const feeds = listener.topics.map((topic) => this.#feedOf(listener.workspaceId, topic));
    for (const feed of feeds) feed.clients.add(client);
    try {
      await Promise.all(feeds.map((feed) => feed.first));
    } catch (error) {
      leave();
      throw error;
    }
    const missing = feeds.find(({ view }) => view === undefined);
    if (missing || listener.scope.ended) leave();
    listener.scope.throwIfEnded();
    if (missing) throw notFound(missing.topic.name.split(':')[0] ?? 'topic');
    listener.scope.onEnd(() => client.stream.push(null));
    client.stream.push(`retry: ${RETRY_MS}\n\n`);
    for (const { topic, view } of feeds) send(client, 'snapshot', topic, view);
    return client.stream;
  }

  #assertRoom({ workspaceId, topics }: Listener): void {
    if (this.#clients.size >= CLIENTS_MAX)
      throw comeAgain('overloaded', 'This process has as many live streams as it can serve.', FULL_RETRY_MS);
    const ours = [...this.#clients].filter((client) => client.workspaceId === workspaceId);
    if (ours.length >= CLIENTS_PER_WORKSPACE_MAX)
      throw comeAgain(
        'too-many-requests',
        `The workspace has ${CLIENTS_PER_WORKSPACE_MAX} live streams open already: close one.`,
        FULL_RETRY_MS,
      );
    const watched = new Set([...ours.flatMap((client) => client.topics), ...topics]);
    if (watched.size > TOPICS_PER_WORKSPACE_MAX)
      throw comeAgain(
        'too-many-requests',
        `The workspace watches ${TOPICS_PER_WORKSPACE_MAX} topics already: close a stream.`,
        FULL_RETRY_MS,
      );
  }

  #feedOf(workspaceId: string, name: string): Feed {
    const key = `${workspaceId} ${name}`;
    const known = this.#feeds.get(key);
    if (known) return known;
    const scope = this.#options.serving.child(`live ${name}`);
    const feed: Feed = {
      workspaceId,
      topic: topicOf(name),
      view: undefined,
      first: Promise.resolve(),
      clients: new Set(),
      scope,
    };
    feed.first = this.#look(feed);
    this.#feeds.set(key, feed);
    scope.onEnd(() => this.#feeds.delete(key));
    feed.first.then(
      () => this.#follow(feed),
      () => scope.cancel('it could not be looked at'),
    );
    return feed;
  }

  async #follow(feed: Feed): Promise<void> {
    while (!feed.scope.ended) {
      await feed.scope.sleep(this.#timing.lookMs).catch(() => {});
      if (feed.scope.ended) return;
      // What the database cannot say now it will say at another look.
      await this.#look(feed).catch((error) =>
        this.#options.log.warn({ event: 'live_look_failed', topic: feed.topic.name, error: error.message }),
      );
    }
  }

  async #look(feed: Feed): Promise<void> {
    const { workspaceId, topic, scope } = feed;
    const work = (tx: Parameters<Topic['look']>[0]) => topic.look(tx, workspaceId);
    const view = await this.#options.database.readWorkspace(workspaceId, work, scope);
    const before = feed.view;
    feed.view = view;
    if (!before) return;
    const listening = [...feed.clients].filter(({ sent }) => sent > 0);
    const changes = view && changesOf(before, view);
    if (changes) for (const client of listening) send(client, 'change', topic, changes);
    if (!view) {
      for (const client of listening) send(client, 'gone', topic, {});
      scope.cancel('it is gone');
    }
  }

  #leave(client: Client): void {
    this.#clients.delete(client);
    for (const feed of this.#feeds.values()) {
      feed.clients.delete(client);
      if (feed.clients.size === 0) feed.scope.cancel('nobody watches');
    }
  }

  #beatAll(): void {
    for (const client of this.#clients) {
      push(client, ':\n\n');
      client.isStillAllowed().then(
        (isAllowed) => isAllowed || client.stream.push(null),
        () => {},
      );
    }
  }

  #stop(): void {
    clearInterval(this.#beat);
    for (const { stream } of this.#clients) stream.push(null);
  }
}

function send(client: Client, event: 'snapshot' | 'change' | 'gone', { name }: Topic, data: unknown): void {
  client.sent += 1;
  push(client, `id: ${client.sent}\nevent: ${event}\ndata: ${JSON.stringify({ topic: name, data })}\n\n`);
}

function push({ stream }: Client, text: string): void {
  if (stream.readableEnded || stream.destroyed || stream.readableLength > WAITING_BYTES_MAX) stream.destroy();
  else stream.push(text);
}
