/** The web server on a free port, as a client sees it, with keys of workspaces of its own. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createKey } from '../../server/accounts/keys.ts';
import { operator } from '../../server/accounts/principal.ts';
import type { Role } from '../../server/accounts/roles.ts';
import { ensureWorkspace } from '../../server/accounts/workspaces.ts';
import { readConfig } from '../../server/kernel/config.ts';
import { newId } from '../../server/kernel/ids.ts';
import { createLog } from '../../server/kernel/log.ts';
import type { Endpoint, Method } from '../../server/web/endpoint.ts';
import { ROUTES, table } from '../../server/web/routes.ts';
import { startWeb, type Web, type WebOptions } from '../../server/web/server.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

export interface Question {
  key?: TestKey;
  /** Sent as JSON; text is sent as it is. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface Heard {
  status: number;
  headers: Headers;
  bytes: Buffer;
  /** The body, when it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects
  json: any;
}

export interface TestKey {
  workspaceId: string;
  id: string;
  headers: { authorization: string };
}

export class TestWeb {
  readonly db: TestDatabase;
  readonly web: Web;

  private constructor(db: TestDatabase, web: Web) {
    this.db = db;
    this.web = web;
  }

  /** `endpoints`: beside those of Camp. `env`: settings. */
  static async start(
    endpoints: Record<`${Method} /${string}`, Endpoint> = {},
    { env = {}, ...options }: { env?: Record<string, string> } & Partial<WebOptions> = {},
  ): Promise<TestWeb> {
    const db = await createTestDatabase();
    const web = await startWeb({
      config: readConfig({ CAMP_HTTP_PORT: '0', ...env }),
      database: db.database,
      log: createLog('silent'),
      routes: [...ROUTES, ...table(endpoints)],
      checkAnswers: true,
      sheds: false,
      ...options,
    });
    return new TestWeb(db, web);
  }

  /** A key of a new workspace, unless told of which. */
  async newKey(role: Role = 'owner', workspaceId: string = newId()): Promise<TestKey> {
    await ensureWorkspace(this.db.database, workspaceId, 'Test');
    const wish = { name: 'test', role };
    const { id, key } = await createKey(this.db.database, operator(workspaceId), wish, {});
    return { workspaceId, id, headers: { authorization: `Bearer ${key}` } };
  }

  /** `line`: a method and a path, such as GET /v1/me. */
  async ask(line: string, { key, body, headers, signal }: Question = {}): Promise<Heard> {
    const [method = '', path = ''] = line.split(' ');
    const isJson = body !== undefined && headers?.['content-type'] === undefined;
    const response = await fetch(this.web.url + path, {
      method,
      headers: { ...key?.headers, ...(isJson ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
      redirect: 'manual',
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const hasJson = /[/+]json$/.test(response.headers.get('content-type') ?? '') && bytes.length > 0;
    const json = hasJson ? JSON.parse(bytes.toString()) : undefined;
    return { status: response.status, headers: response.headers, bytes, json };
  }

  /** A bare connection, and what it hears until the server closes it. */
  connect(): { socket: Socket; heard: Promise<string> } {
    const { hostname, port } = new URL(this.web.url);
    const socket = connect(Number(port), hostname);
    let heard = '';
    socket.setEncoding('utf8').on('data', (text) => {
      heard += text;
    });
    socket.on('error', () => {});
    return { socket, heard: once(socket, 'close').then(() => heard) };
  }

  /** What it hears that sends exactly this. */
  say(...parts: (string | Buffer)[]): Promise<string> {
    const { socket, heard } = this.connect();
    for (const part of parts) socket.write(part);
    return heard;
  }

  async stop(): Promise<void> {
    await this.web.stop();
    await this.db.drop();
  }
}
