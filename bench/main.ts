/**
 * `npm run bench`: how fast, and with how much. Linux only (it reads /proc). Load goes to 127.0.0.1 and nowhere else;
 * all that is started ends with the command.
 *
 *     --recipients N   of the sending parts (100000); a smaller N makes the other parts smaller too
 *     --only PART      send, memory, import, freeze, claim, dkim, fan-out or api
 *     --api            the same as --only api
 *     --json           one JSON object as the last line of standard output, all else to standard error
 */
import { parseArgs } from 'node:util';
import { readChoice, readInteger } from '../server/cli/arguments.ts';
import { explain, usageError } from '../server/cli/errors.ts';
import { EXIT } from '../server/cli/exit-codes.ts';
import { interruptScope } from '../server/cli/interrupt.ts';
import { createOutput, type Output, table } from '../server/cli/output.ts';
import type { Scope } from '../server/kernel/scope.ts';
import { benchApi } from './api.ts';
import { type Bench, RECIPIENTS, type Report, startBench } from './bench.ts';
import { benchClaim } from './claim.ts';
import { benchDkim } from './dkim.ts';
import { benchFanOut } from './fan-out.ts';
import { benchFreeze } from './freeze.ts';
import { benchImport } from './import.ts';
import { benchMemory } from './memory.ts';
import { benchSend } from './send.ts';

const RECIPIENTS_MIN = 5_000;
const RECIPIENTS_MAX = 10_000_000;

const PARTS = {
  send: { title: 'Sending', run: benchSend },
  memory: { title: 'Memory of a worker', run: benchMemory },
  import: { title: 'Import', run: benchImport },
  freeze: { title: 'Freeze', run: benchFreeze },
  claim: { title: 'Claims', run: benchClaim },
  dkim: { title: 'Sending, signed', run: benchDkim },
  api: { title: 'API', run: benchApi },
  'fan-out': { title: 'Sending to 200 sites', run: benchFanOut },
} satisfies Record<string, { title: string; run(bench: Bench): Promise<Report> }>;

type Part = keyof typeof PARTS;

process.exitCode = await main();
process.exit();

async function main(): Promise<number> {
  const scope = interruptScope('bench', () => process.stderr.write('Ending.\n'));
  try {
    const { parts, recipients, out } = readFlags();
    await measure(parts, recipients, out, scope);
    return EXIT.ok;
  } catch (error) {
    if (scope.ended) return EXIT.interrupted;
    const { sentence, exitCode } = explain(error, undefined);
    process.stderr.write(`${sentence}\n`);
    return exitCode;
  }
}

function readFlags() {
  const { api, ...values } = readArguments();
  if (api) values.only ??= 'api';
  const names = Object.keys(PARTS) as Part[];
  return {
    parts: values.only === undefined ? names : [readChoice(values.only, '--only', names)],
    recipients: readInteger(values.recipients, '--recipients', RECIPIENTS_MIN, RECIPIENTS_MAX),
    out: createOutput(values.json),
  };
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        recipients: { type: 'string', default: String(RECIPIENTS) },
        only: { type: 'string' },
        api: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw usageError(error instanceof Error ? error.message : String(error));
  }
}

/** An interruption does not wait for what runs: disposing of the resources ends it. */
async function measure(parts: Part[], recipients: number, out: Output, scope: Scope): Promise<void> {
  await using resources = new AsyncDisposableStack();
  const interrupted = new Promise<never>((_, reject) => scope.onEnd(reject));
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const work = startBench({ recipients, scope, resources, say }).then((bench) =>
    measureParts(bench, parts, out),
  );
  work.catch(() => {});
  await Promise.race([work, interrupted]);
}

async function measureParts(bench: Bench, parts: Part[], out: Output): Promise<void> {
  const results: Record<string, unknown> = {};
  for (const part of parts) {
    const { title, run } = PARTS[part];
    bench.say(`${title}:`);
    const { table: rows, json } = await run(bench);
    out.say(`\n${title}\n${table(rows)}\n`);
    Object.assign(results, json);
  }
  out.result(results);
}
