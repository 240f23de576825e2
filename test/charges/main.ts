/**
 * `npm run test:charges`: payments to a provider that misbehaves, while the web server is killed at every border of their
 * phases.
 *
 *   --rounds N        payments in each cell (border × fault × retry); 25 by default
 *   --border NAME     claimed, intended, created, sent, confirmed, settled, answered; all of these by default
 *   --fault NAME      what the provider does; all by default
 *   --retry NAME      same-key, new-key; both by default
 *   --json            the last line of standard output is one JSON object
 *
 * Progress goes to standard error. Exit code 1, and one line for each violation, when anybody was charged, invoiced or
 * mailed otherwise than once, heard another answer to the same request, credits do not add up, or a border or a fault was never
 * met.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { prepareDatabase } from '../../server/cli/open-database.ts';
import { Database } from '../../server/kernel/database.ts';
import { startEmbeddedPostgres } from '../../server/kernel/embedded-postgres.ts';
import { DEFAULT_WORKSPACE_ID } from '../../server/kernel/ids.ts';
import { BORDERS, type Cell, FAULTS, Matrix, RETRIES } from './matrix.ts';

/** Cells of one fault at a time: each has a server of its own. */
const AT_ONCE = 3;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '25' },
    border: { type: 'string', multiple: true, default: [...BORDERS] },
    fault: { type: 'string', multiple: true, default: [...FAULTS] },
    retry: { type: 'string', multiple: true, default: [...RETRIES] },
    json: { type: 'boolean', default: false },
  },
});
const borders = chosen(flags.border, BORDERS, 'border');
const faults = chosen(flags.fault, FAULTS, 'fault');
const retries = chosen(flags.retry, RETRIES, 'retry');

const startedAt = performance.now();
const folder = await mkdtemp(join(tmpdir(), 'camp-charges-'));
// Root's Postgres runs as another user, who must get into it.
await chmod(folder, 0o755);
const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres'), log: say });
const database = new Database(postgres.url);
await prepareDatabase({ workspaceId: DEFAULT_WORKSPACE_ID }, database);
await database.close();
const matrix = await Matrix.start(postgres.url, folder);
for (const fault of faults) await runFault(fault);
const { violations, ...count } = await matrix.check();
await matrix.stop();
await postgres.stop();
for (const violation of violations) say(`VIOLATION ${violation}`);
const result = { ...count, violations: violations.length, seconds: secondsSince(startedAt) };
if (flags.json) console.log(JSON.stringify(result));
else console.log(result);
if (violations.length === 0) await rm(folder, { recursive: true });
process.exitCode = violations.length === 0 ? 0 : 1;

async function runFault(fault: (typeof FAULTS)[number]): Promise<void> {
  const since = performance.now();
  await matrix.misbehave(fault);
  const cells: Cell[] = borders.flatMap((border) => retries.map((retry) => ({ border, retry })));
  const runners = Array.from({ length: AT_ONCE }, async () => {
    for (let cell = cells.shift(); cell; cell = cells.shift()) await matrix.run(cell, Number(flags.rounds));
  });
  await Promise.all(runners);
  say(`${fault}: ${secondsSince(since)} s`);
}

function chosen<Name extends string>(names: string[], all: readonly Name[], what: string): Name[] {
  const unknown = names.find((name) => !all.some((one) => one === name));
  if (unknown !== undefined) throw new Error(`no ${what} ${unknown}: there are ${all.join(', ')}`);
  return all.filter((name) => names.includes(name));
}

function secondsSince(since: number): number {
  return Math.round((performance.now() - since) / 100) / 10;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
