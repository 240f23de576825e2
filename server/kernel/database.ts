/**
 * Postgres, the one place where the truth is kept.
 *
 * Every statement runs in a transaction that first says who it is: `withWorkspace` takes the role camp_app and
 * names one workspace, so that row-level security shows that workspace's rows and no others, also when the
 * connection belongs to a superuser; a forgotten context sees nothing. `withSystem` takes camp_system, which may
 * read lanes, workers and routes of all workspaces and no contact and no message.
 *
 * Works behind PgBouncer in transaction mode: all settings are local to the transaction, statements are unnamed.
 */
import pg from 'pg';
import type { Sql } from './sql.ts';

const CONNECT_MS_MAX = 10_000;
const STATEMENT_MS_MAX = 60_000;

export interface Tx {
  /** Runs one statement and gives its rows. */
  query<Row>(statement: Sql): Promise<Row[]>;
  /** The connection itself, for COPY. */
  readonly client: pg.PoolClient;
}

export interface DatabaseOptions {
  /** Size of the pool of this process. */
  connectionsMax?: number;
  applicationName?: string;
}

export class Database {
  readonly url: string;
  readonly #pool: pg.Pool;

  constructor(url: string, options: DatabaseOptions = {}) {
    this.url = url;
    this.#pool = new pg.Pool({
      connectionString: url,
      max: options.connectionsMax ?? 8,
      connectionTimeoutMillis: CONNECT_MS_MAX,
      keepAlive: true,
      application_name: options.applicationName ?? 'camp',
    });
    // Without a listener an idle connection that the server closes would end the process.
    this.#pool.on('error', () => {});
  }

  withWorkspace<T>(workspaceId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    if (!UUID.test(workspaceId)) throw new Error(`not a workspace id: ${workspaceId}`);
    return this.#transaction(`SET LOCAL ROLE camp_app; SET LOCAL camp.workspace_id = '${workspaceId}'`, work);
  }

  withSystem<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transaction('SET LOCAL ROLE camp_system', work);
  }

  /** As the user of the connection string: migrations and `doctor`. */
  withOwner<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transaction('SELECT 1', work);
  }

  close(): Promise<void> {
    return this.#pool.end();
  }

  async #transaction<T>(context: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    const onError = () => {};
    client.on('error', onError);
    let broken: Error | undefined;
    try {
      await client.query(`BEGIN; SET LOCAL statement_timeout = ${STATEMENT_MS_MAX}; ${context}`);
      const result = await work(transactionOn(client));
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((rollbackError: Error) => {
        broken = rollbackError;
      });
      throw error;
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function transactionOn(client: pg.PoolClient): Tx {
  return {
    client,
    async query<Row>(statement: Sql): Promise<Row[]> {
      const result = await client.query({ text: statement.text, values: [...statement.values] });
      return result.rows as Row[];
    },
  };
}

/** SQLSTATE classes and socket errors that mean: the database is away or restarting, try again later. */
const AWAY_SQLSTATES = /^(08...|57P0[123]|53300|58030)$/;
const AWAY_SOCKET_ERRORS = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN']);

/** True for failures that pass by themselves when Postgres is back (or stops refusing); false for our own bugs. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (AWAY_SQLSTATES.test(code) || AWAY_SOCKET_ERRORS.has(code)) return true;
  return /Connection terminated|timeout exceeded when trying to connect|server closed the connection/.test(
    error.message,
  );
}

/** True for a serialization failure or a deadlock: the same transaction may simply run again. */
export function isRetryable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  return code === '40001' || code === '40P01';
}
