/** `camp import`: a CSV file becomes contacts on a list. */
import { SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { type ImportProgress, type ImportReport, importContacts } from '../audience/import.ts';
import type { Database } from '../kernel/database.ts';
import { type Scope, ScopeEnded } from '../kernel/scope.ts';
import { collect, readChoice, readName, readPairs } from './arguments.ts';
import { type Cli, run } from './cli.ts';
import { CommandError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { interruptScope } from './interrupt.ts';
import { withDatabase } from './open-database.ts';
import { count, type Output, plural, seconds, styled, table } from './output.ts';

const LINE_EVERY_MS = 5_000;

interface ImportFlags {
  list: string;
  map: string[];
  type: string[];
  status: string;
  dryRun?: boolean;
  rejects?: string;
}

export function importCommand(program: Command): void {
  program
    .command('import <file>')
    .description('bring the contacts of a CSV file onto a list; safe to repeat; - reads standard input')
    .requiredOption('--list <name>', 'the list; made when it is not there')
    .option(
      '--map <field=Column>',
      'what a column means: email, name or an attribute; may be given several times',
      collect,
      [],
    )
    .option(
      '--type <field=type>',
      'text, number or boolean, for an attribute; may be given several times',
      collect,
      [],
    )
    .option('--status <status>', 'of those who are new on the list: subscribed or unconfirmed', 'subscribed')
    .option('--rejects <file>', 'where rejected rows go (FILE.rejects.csv)')
    .option('--dry-run', 'say what would happen and change nothing')
    .action(run(importFile));
}

async function importFile(cli: Cli, file: string, flags: ImportFlags): Promise<ExitCode> {
  const { out } = cli;
  const types = Object.entries(readPairs(flags.type, '--type')).map(([field, type]) => [
    field,
    readChoice(type, `--type ${field}`, ['text', 'number', 'boolean'] as const),
  ]);
  const options = {
    mapping: readPairs(flags.map, '--map'),
    types: Object.fromEntries(types),
    status: readChoice(flags.status, '--status', ['subscribed', 'unconfirmed'] as const),
    dryRun: flags.dryRun === true,
    ...(flags.rejects === undefined ? {} : { rejectsFile: flags.rejects }),
  };
  const source = { listName: readName(flags.list, '--list'), file: file === '-' ? process.stdin : file };
  const startedAt = performance.now();
  const report = await withDatabase(cli, (database) =>
    importWithProgress(cli, database, { ...options, ...source }, interruptScope('import')),
  );
  const tookMs = performance.now() - startedAt;
  sayReport(out, report, { tookMs, dryRun: options.dryRun });
  out.result({ ...report, dryRun: options.dryRun, seconds: Number((tookMs / 1_000).toFixed(3)) });
  return isUseless(report) ? EXIT.failed : EXIT.ok;
}

function isUseless({ records, rejected }: ImportReport): boolean {
  return records > 0 && rejected === records;
}

type ProgressOptions = Omit<
  Parameters<typeof importContacts>[0],
  'database' | 'workspaceId' | 'scope' | 'onProgress'
>;

/** For `camp demo` as well. */
export async function importWithProgress(
  cli: Cli,
  database: Database,
  options: ProgressOptions,
  scope: Scope,
): Promise<ImportReport> {
  const view = process.stderr.isTTY ? drawBar() : writeLines(cli.out);
  try {
    const { workspaceId } = cli;
    return await importContacts({ ...options, database, workspaceId, scope, onProgress: view.update });
  } catch (error) {
    if (!(error instanceof ScopeEnded)) throw error;
    const sentence = 'Interrupted. What is imported stays; the same command goes on where this one stopped.';
    throw new CommandError(EXIT.interrupted, sentence);
  } finally {
    view.stop();
  }
}

interface View {
  update(progress: ImportProgress): void;
  stop(): void;
}

function drawBar(): View {
  const bar = new SingleBar({
    format: '  {bar} {percentage} %  {records} rows  {rate} rows/s  ETA {eta} s',
    stream: process.stderr,
    hideCursor: true,
    gracefulExit: false,
    clearOnComplete: true,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    autopadding: true,
  });
  const startedAt = performance.now();
  return {
    update({ bytesDone, bytesTotal, recordsDone }) {
      if (!bar.isActive) bar.start(bytesTotal ?? bytesDone, 0, { records: '', rate: '' });
      const rate = (recordsDone / (performance.now() - startedAt)) * 1_000;
      bar.update(bytesDone, { records: count(recordsDone), rate: count(rate) });
    },
    stop: () => bar.stop(),
  };
}

function writeLines(out: Output): View {
  let nextAt = performance.now() + LINE_EVERY_MS;
  return {
    update({ bytesDone, bytesTotal, recordsDone, rejected }) {
      if (performance.now() < nextAt) return;
      nextAt = performance.now() + LINE_EVERY_MS;
      const share = bytesTotal ? `${Math.floor((100 * bytesDone) / bytesTotal)} % · ` : '';
      out.say(`  importing: ${share}${plural(recordsDone, 'row')} · ${count(rejected)} rejected`);
    },
    stop: () => {},
  };
}

function sayReport(
  out: Output,
  report: ImportReport,
  { tookMs, dryRun }: { tookMs: number; dryRun: boolean },
): void {
  out.say(styled(out, 'bold', dryRun ? 'Dry run: nothing was changed.' : headline(report, tookMs)));
  if (report.resumedAfter > 0)
    out.say(
      `An earlier run of this import was interrupted; it went on behind row ${count(report.resumedAfter)}.`,
    );
  out.say(
    table([
      ['rows', report.records],
      ['created', report.created, 'new contacts'],
      ['updated', report.updated, 'contacts that were there and got something new'],
      ['unchanged', report.unchanged, 'contacts that were there, just so'],
      ['duplicates', report.duplicates, 'an address that stands in the file again'],
      [
        'left earlier',
        report.keptUnsubscribed,
        'had unsubscribed from the list, and stay away; counted above as well',
      ],
      ['rejected', report.rejected, report.rejectsFile ? `see ${report.rejectsFile}` : ''],
    ]),
  );
}

function headline(report: ImportReport, tookMs: number): string {
  if (isUseless(report))
    return `Nothing was imported, because every row was rejected: see ${report.rejectsFile}.`;
  const rate = count((report.records - report.resumedAfter) / (tookMs / 1_000));
  return `Imported in ${seconds(tookMs)} (${rate} rows/s).`;
}
