/** Import: a CSV file through `camp import`, as a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Bench, type Report, scaled } from './bench.ts';
import { createDatabase } from './database.ts';
import { peakRssMb } from './machine.ts';

const ROWS = 1_000_000;
const CAMP = join(import.meta.dirname, '../bin/camp');
const LOOK_AGAIN_MS = 50;
const LINES_PER_WRITE = 1_000;

export async function benchImport(bench: Bench): Promise<Report> {
  const rows = scaled(bench, ROWS);
  const file = join(bench.folder, 'contacts.csv');
  bench.say(`writing a CSV file of ${rows} rows`);
  await pipeline(Readable.from(csv(rows)), createWriteStream(file));
  await using made = await createDatabase(bench, 0);
  bench.say('importing it');
  const { created, seconds, peakMb } = await importFile(bench, made.url, file);
  if (created !== rows) throw new Error(`Of ${rows} rows not all became contacts: ${created}.`);
  const json = {
    import_rows: rows,
    import_rows_per_s: Math.round(rows / seconds),
    import_peak_rss_mb: Math.round(peakMb),
  };
  const table = [
    ['rows', json.import_rows],
    ['rows/s, the start of the process included', json.import_rows_per_s],
    ['memory at its peak, MB', json.import_peak_rss_mb],
  ];
  return { table, json };
}

function* csv(rows: number): Generator<string> {
  yield 'E-mail,Name,First name,City,Plan\r\n';
  for (let first = 1; first <= rows; first += LINES_PER_WRITE) {
    let lines = '';
    for (let i = first; i < Math.min(rows + 1, first + LINES_PER_WRITE); i += 1)
      lines += `Person${i}@Example${i % 97}.example,"Person ${i}, Ann",Ann${i},Köln,plan ${i % 5}\r\n`;
    yield lines;
  }
}

async function importFile(bench: Bench, databaseUrl: string, file: string) {
  const { PATH, NODE_OPTIONS } = process.env;
  const startedAt = performance.now();
  const child = spawn(CAMP, ['--json', 'import', file, '--list', 'Bench'], {
    env: { PATH, NODE_OPTIONS, DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: bench.scope.signal,
  });
  let peakMb = 0;
  const watch = setInterval(() => (peakMb = Math.max(peakMb, peakRssMb(child.pid ?? 0))), LOOK_AGAIN_MS);
  const ended = once(child, 'exit').finally(() => clearInterval(watch));
  const output = await text(child.stdout);
  const [code] = await ended;
  if (code !== 0) throw new Error(`camp import ended with ${code}.`);
  const { created }: { created: number } = JSON.parse(output.trim().split('\n').at(-1) ?? '{}');
  return { created, seconds: (performance.now() - startedAt) / 1_000, peakMb };
}
