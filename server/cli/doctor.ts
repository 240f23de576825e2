/** `camp doctor`: is everything there that sending needs? Changes nothing. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../kernel/config.ts';
import { type Cli, run } from './cli.ts';
import { dataFolder, postgresFolder } from './data-folder.ts';
import {
  checkDatabase,
  checkNode,
  checkPublicUrl,
  checkRelay,
  type Finding,
  finding,
} from './doctor-checks.ts';
import { explain } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { openDatabase } from './open-database.ts';
import { type Output, styled, table } from './output.ts';

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check the database, the relay and the settings, and say what to do')
    .action(run(examine));
}

async function examine(cli: Cli): Promise<ExitCode> {
  const findings = [
    checkNode(),
    ...(await examineDatabase(cli)),
    await examineRelay(cli),
    checkPublicUrl(cli.config.publicUrl),
  ];
  cli.out.say(table(findings.map(({ check, verdict, detail }) => [mark(cli.out, verdict), check, detail])));
  const failed = findings.filter(({ verdict }) => verdict === 'fail').length;
  cli.out.say(failed === 0 ? `\n${readiness(cli)}` : `\n${failed} of ${findings.length} checks failed.`);
  cli.out.result({ ok: failed === 0, findings });
  return failed === 0 ? EXIT.ok : EXIT.failed;
}

function readiness({ config }: Cli): string {
  const missing = [
    ...(hasDatabase(config) ? [] : ['DATABASE_URL']),
    ...(config.smtpUrl === undefined ? ['SMTP_URL'] : []),
  ];
  if (missing.length === 0) return 'Camp can send.';
  return `Nothing is wrong, but Camp cannot send yet: set ${missing.join(' and ')}.`;
}

function hasDatabase(config: Config): boolean {
  return config.databaseUrl !== undefined || existsSync(postgresFolder(dataFolder(config)));
}

async function examineDatabase(cli: Cli): Promise<Finding[]> {
  const { databaseUrl } = cli.config;
  if (!hasDatabase(cli.config))
    return [
      finding(
        'Postgres',
        'warn',
        'DATABASE_URL is not set: `camp start` brings a Postgres of its own, for trying.',
      ),
    ];
  try {
    const open = await openDatabase(cli);
    try {
      return await checkDatabase(open.database);
    } finally {
      await open.close();
    }
  } catch (error) {
    return [finding('Postgres', 'fail', explain(error, databaseUrl).sentence)];
  }
}

async function examineRelay(cli: Cli): Promise<Finding> {
  const { smtpUrl, heloName } = cli.config;
  if (smtpUrl === undefined)
    return finding(
      'Relay',
      'warn',
      'SMTP_URL is not set: `camp start` brings a sandbox that delivers nothing.',
    );
  try {
    return await checkRelay(smtpUrl, heloName);
  } catch (error) {
    return finding('Relay', 'fail', explain(error, undefined).sentence);
  }
}

function mark(out: Output, verdict: Finding['verdict']): string {
  const styles = { ok: 'green', warn: 'yellow', fail: 'red' } as const;
  return styled(out, styles[verdict], verdict.padEnd(4));
}
