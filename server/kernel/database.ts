/**
 * Postgres, the one place where the truth is kept.
 *
 * Every statement runs in a transaction that first says who it is: `withWorkspace` takes the role camp_app and
 * names one workspace, so that row-level security shows that workspace's rows and no others, also when the
 * connection belongs to a superuser; a forgotten context sees nothing. `withSystem` takes camp_system, which may
 * read lanes, workers and routes of all workspaces and no contact and no message. `asSystem` is a part of the first as the
 * second, for what changes a person and is noted in a workspace.
 *
 * Works behind PgBouncer in transaction mode: all settings are local to the transaction, statements are unnamed. The
 * connection serves another workspace afterwards, so a statement that comes after the end is refused.
 *
 * A transaction may belong to a Scope: its statements have as long as the scope, and when that ends nothing more is sent and
 * nothing is committed.
 */
import pg from 'pg';
import type { Scope } from './scope.ts';
import type { Sql } from './sql.ts';

const CONNECT_MS_MAX = 10_000;
const STATEMENT_MS_MAX = 60_000;
const ANSWER_MS_MAX = STATEMENT_MS_MAX + 5_000;
/** Less than a worker's lease: what a frozen process has locked is free again before others recover its rows. */
const IDLE_MS_MAX = 8_000;

export interface Tx {
  /** Runs one statement and gives its rows. */
  query<Row>(statement: Sql): Promise<Row[]>;
  /** Runs one statement together with the COMMIT, in the order of the calls: for rows that nobody reads. */
  atCommit(statement: Sql): void;
  /** The connection itself, for COPY. */
  readonly client: pg.PoolClient;
}

export interface DatabaseOptions {
  /** Size of the pool of this process. */
  connectionsMax?: number;
  applicationName?: string;
  /**
   * Sends statements without waiting for the one before (fewer round trips; the order stays). A pipelining connection
   * refuses COPY.
   */
  pipeline?: boolean;
  /**
   * Names statements, so that Postgres plans each once a connection: about a quarter more messages a second. Not through
   * a transaction pooler, unless it knows named statements (PgBouncer 1.21 with max_prepared_statements).
   */
  prepare?: boolean;
}

export class Database {
  readonly url: string;
  readonly #pool: pg.Pool;
  readonly #pipeline: boolean;
  readonly #prepare: boolean;
  /** Since when they wait for a connection, the longest first. */
  readonly #waiting = new Set<{ since: number }>();

  constructor(url: string, options: DatabaseOptions = {}) {
    this.url = url;
    this.#pipeline = options.pipeline ?? false;
    this.#prepare = options.prepare ?? false;
    this.#pool = new pg.Pool({
      pipeline: this.#pipeline,
      connectionString: url,
      max: options.connectionsMax ?? 8,
      connectionTimeoutMillis: CONNECT_MS_MAX,
      keepAlive: true,
      // A network that fails in silence must not hold a worker for the minutes that TCP takes to notice.
      ...(this.#pipeline ? { query_timeout: ANSWER_MS_MAX } : {}),
      application_name: options.applicationName ?? 'camp',
    });
    // Without a listener an idle connection that the server closes would end the process.
    this.#pool.on('error', () => {});
  }

  withWorkspace<T>(workspaceId: string, work: (tx: Tx) => Promise<T>, scope?: Scope): Promise<T> {
    return this.#transaction(contextOf(workspaceId), work, scope);
  }

  /** As withWorkspace, for reading: all statements see one moment. */
  readWorkspace<T>(workspaceId: string, work: (tx: Tx) => Promise<T>, scope?: Scope): Promise<T> {
    return this.#transaction(`${ONE_MOMENT}; ${contextOf(workspaceId)}`, work, scope);
  }

  withSystem<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transaction('SET LOCAL ROLE camp_system', work);
  }

  /** As the user of the connection string: migrations and `doctor`. */
  withOwner<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transaction('SELECT 1', work);
  }

  /** For how long a transaction has been waiting for a connection: how short of them this process is. */
  waitMs(): number {
    const [longest] = this.#waiting;
    return longest ? performance.now() - longest.since : 0;
  }

  close(): Promise<void> {
    return this.#pool.end();
  }

  async #connect(): Promise<pg.PoolClient> {
    const wait = { since: performance.now() };
    this.#waiting.add(wait);
    try {
      return await this.#pool.connect();
    } finally {
      this.#waiting.delete(wait);
    }
  }

  async #transaction<T>(context: string, work: (tx: Tx) => Promise<T>, scope?: Scope): Promise<T> {
    scope?.throwIfEnded();
    const client = await this.#connect();
    const onError = () => {};
    client.on('error', onError);
    const run = this.#prepare ? runNamed : runUnnamed;
    const { tx, end } = transactionOn(client, run, { scope, inTurn: !this.#pipeline });
    const begun = client.query(`${beginWithin(scope)}; ${context}`);
    begun.catch(() => {});
    let broken: Error | undefined;
    try {
      if (!this.#pipeline) await begun;
      const result = await work(tx);
      scope?.throwIfEnded();
      const atCommit = end();
      await begun;
      await commit(client, run, atCommit, this.#pipeline);
      return result;
    } catch (error) {
      end();
      await client.query('ROLLBACK').catch((rollbackError: Error) => {
        broken = rollbackError;
      });
      // A new connection plans anew.
      if (isStalePlan(error)) broken ??= error;
      // What was sent after a BEGIN that failed, failed for that: the first error is the one that says why.
      await begun;
      throw error;
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }
}

function beginWithin(scope: Scope | undefined): string {
  const statementMs = Math.ceil(Math.min(STATEMENT_MS_MAX, Math.max(1, scope?.remainingMs() ?? Infinity)));
  return `BEGIN; SET LOCAL statement_timeout = ${statementMs}; SET LOCAL idle_in_transaction_session_timeout = ${IDLE_MS_MAX}`;
}

const ONE_MOMENT = 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY';

function contextOf(workspaceId: string): string {
  if (!UUID.test(workspaceId)) throw new Error(`not a workspace id: ${workspaceId}`);
  return `SET LOCAL ROLE camp_app; SET LOCAL camp.workspace_id = '${workspaceId}'`;
}

/** Part of a workspace's transaction, as camp_system. Whatever is thrown out of it has to end the transaction. */
export async function asSystem<T>(tx: Tx, work: (tx: Tx) => Promise<T>): Promise<T> {
  await tx.query({ text: 'SET LOCAL ROLE camp_system', values: [] });
  const result = await work(tx);
  await tx.query({ text: 'SET LOCAL ROLE camp_app', values: [] });
  return result;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `end` closes the transaction to further statements and gives those that were kept for the COMMIT. */
type Run = (client: pg.PoolClient, statement: Sql) => Promise<pg.QueryResult>;

function transactionOn(
  client: pg.PoolClient,
  run: Run,
  { scope, inTurn }: { scope: Scope | undefined; inTurn: boolean },
): { tx: Tx; end(): Sql[] } {
  const atCommit: Sql[] = [];
  let ended = false;
  let last: Promise<unknown> = Promise.resolve();
  const assertOpen = () => {
    if (ended) throw new Error('a statement came after the end of its transaction');
    scope?.throwIfEnded();
  };
  const runOpen = (statement: Sql) => {
    assertOpen();
    return run(client, statement);
  };
  const tx: Tx = {
    client,
    async query<Row>(statement: Sql): Promise<Row[]> {
      assertOpen();
      const answer = inTurn ? last.then(() => runOpen(statement)) : run(client, statement);
      // Who does not pipeline takes the next statement when the one before is answered.
      last = answer.catch(() => {});
      return (await answer).rows as Row[];
    },
    atCommit(statement: Sql): void {
      assertOpen();
      atCommit.push(statement);
    },
  };
  const end = () => {
    ended = true;
    return atCommit;
  };
  return { tx, end };
}

const runUnnamed: Run = (client, { text, values }) => client.query({ text, values: [...values] });

const runNamed: Run = (client, { text, values }) =>
  client.query({ name: nameOf(text), text, values: [...values] });

const names = new Map<string, string>();

/** One name a text: statements are made of fixed templates, so there are as many as there are queries. */
function nameOf(text: string): string {
  const known = names.get(text);
  if (known !== undefined) return known;
  const name = `camp_${names.size}`;
  names.set(text, name);
  return name;
}

async function commit(client: pg.PoolClient, run: Run, atCommit: Sql[], pipeline: boolean): Promise<void> {
  const sent: Promise<unknown>[] = [];
  for (const statement of atCommit) {
    const done = run(client, statement);
    if (pipeline) sent.push(done);
    else await done;
  }
  const committed = client.query('COMMIT');
  await Promise.all([...sent, committed]);
  // Postgres answers COMMIT of a failed transaction with success, and the word ROLLBACK.
  const { command } = await committed;
  if (command !== 'COMMIT') throw new Error(`the transaction was rolled back at COMMIT: ${command}`);
}

/** SQLSTATEs and socket errors that mean: the database is away, restarting, full or read-only; try again later. */
const AWAY_SQLSTATES = /^(08...|53...|57P0[1235]|25P03|25006|58030)$/;
/** What PgBouncer says, as FATAL, when it breaks off; Postgres, as ERROR, of a statement that it cannot take. */
const PROTOCOL_VIOLATION = '08P01';
const AWAY_SOCKET_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** True for failures that pass by themselves when Postgres is back (or stops refusing); false for our own bugs. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const isOurs = code === PROTOCOL_VIOLATION && 'severity' in error && error.severity === 'ERROR';
  if (isOurs) return false;
  if (AWAY_SQLSTATES.test(code) || AWAY_SOCKET_ERRORS.has(code)) return true;
  return /Connection terminated|timeout exceeded when trying to connect|is not queryable|Query read timeout/.test(
    error.message,
  );
}

/** Serialization failure, deadlock, statement timeout, lock not available. */
const RETRYABLE_SQLSTATES = new Set(['40001', '40P01', '57014', '55P03']);

/** True when the same transaction may simply run again: the database is away, or chose us to break a deadlock. */
export function isRetryable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  return RETRYABLE_SQLSTATES.has(String(code)) || isStalePlan(error) || isDatabaseAway(error);
}

const QUERY_CANCELED = '57014';

/** The statement took longer than it may. The same may well happen again. */
export function isStatementTimeout(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === QUERY_CANCELED;
}

const UNIQUE_VIOLATION = '23505';

/** There is a row with this key already; the transaction can only be rolled back. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === UNIQUE_VIOLATION;
}

/** A migration changed what a named statement gives. */
function isStalePlan(error: unknown): error is Error {
  return error instanceof Error && /cached plan must not change result type/.test(error.message);
}
