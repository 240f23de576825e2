import http from 'node:http';
import Type from 'typebox';
import { startWeb } from './server/web/server.ts';
import { table } from './server/web/routes.ts';
import { ROUTES } from './server/web/routes.ts';
import { readConfig } from './server/kernel/config.ts';
import { createLog } from './server/kernel/log.ts';
import { createKey } from './server/accounts/keys.ts';
import { operator } from './server/accounts/principal.ts';
import { ensureWorkspace } from './server/accounts/workspaces.ts';
import { Database } from './server/kernel/database.ts';
import { newId } from './server/kernel/ids.ts';
import { sql } from './server/kernel/sql.ts';
import { created, endpoint, ok } from './server/web/endpoint.ts';
import { Id, strict } from './server/web/schemas.ts';
import { createTestDatabase } from './test/support/database.ts';
import { fork } from 'node:child_process';
if (process.argv[2] === 'client') {
  const { url, auth, n, conc, path } = JSON.parse(process.argv[3]!);
  const agent = new http.Agent({ keepAlive: true, maxSockets: conc });
  const lat: number[] = []; let next = 0; const t0 = performance.now(); const statuses: Record<string, number> = {};
  const u = new URL(url + path);
  await Promise.all(Array.from({ length: conc }, async () => {
    while (next++ < n) {
      const t = performance.now();
      await new Promise<void>((resolve, reject) => {
        const post = path.includes('lists');
        const req = http.request(u, { agent, method: post ? 'POST' : 'GET', headers: { authorization: auth, ...(post ? { 'content-type': 'application/json', 'idempotency-key': newId() } : {}) } }, (res) => { statuses[res.statusCode!] = (statuses[res.statusCode!] ?? 0) + 1; res.resume(); res.on('end', resolve); });
        req.on('error', reject);
        req.end(post ? JSON.stringify({ name: 'hello ' + Math.random() }) : undefined);
      });
      lat.push(performance.now() - t);
    }
  }));
  const ms = performance.now() - t0; lat.sort((a, b) => a - b);
  console.log(path, { perS: Math.round(n / ms * 1000), p50: lat[n >> 1]!.toFixed(1), p99: lat[Math.floor(n * .99)]!.toFixed(1), statuses });
  process.exit();
}
const db = await createTestDatabase();
const database = new Database(db.url, { connectionsMax: 16, prepare: true, pipeline: process.env.PIPE === '1' });
const make = endpoint({ summary: 'x', scope: 'any', idempotency: 'required', body: strict({ name: Type.String() }), responses: { 201: strict({ id: Id }) },
  async handle({ body, workspaceId }, tx) { const id = newId(); await tx.query(sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${id}, ${body.name})`); return created('/x/' + id, { id }); } });
const ping = endpoint({ summary: 'x', scope: 'public', idempotency: 'none', load: 'probe', responses: { 200: strict({ a: Type.String() }) }, run: async () => ok({ a: 'b' }) });
const web = await startWeb({ config: readConfig({ CAMP_HTTP_PORT: '0', CAMP_LIMIT_ADDRESS: '100000', CAMP_LIMIT_KEY: '100000', CAMP_LIMIT_WORKSPACE: '100000' }), database, log: createLog('info'), routes: [...ROUTES, ...table({ 'POST /test/lists': make, 'GET /test/ping': ping })] });
const ws = newId(); await ensureWorkspace(database, ws, 'x');
const { key: k } = await createKey(database, operator(ws), { name: 'x', role: 'owner' }, {});
const key = { headers: { authorization: 'Bearer ' + k } };
for (const [path, n] of [['/test/ping', 4000], ['/v1/me', 4000], ['/test/lists', 4000], ['/test/lists', 4000]] as const) {
  const c0 = process.cpuUsage();
  const c = fork(import.meta.filename, ['client', JSON.stringify({ url: web.url, auth: key.headers.authorization, n, conc: 32, path })]);
  await new Promise((r) => c.on('exit', r));
  const cpu = process.cpuUsage(c0);
  console.log('  server cpu us/request', Math.round((cpu.user + cpu.system) / n));
}
await database.close(); await web.stop(); await db.drop();
