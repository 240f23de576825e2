/** `camp source check`: does the DNS say of an address what mailbox providers want to hear? */
import type { Command } from 'commander';
import { Scope } from '../kernel/scope.ts';
import { checkSource } from '../senders/source-check.ts';
import { findSource, usableHere } from '../senders/sources.ts';
import { createResolver } from '../smtp/resolver.ts';
import { type Cli, run } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { table } from './output.ts';

const CHECK_MS_MAX = 30_000;

export function addCheck(source: Command): void {
  source
    .command('check <address>')
    .description('look up its reverse name, and whether that leads back to it')
    .option('--resolver <ip:port>', 'the DNS server to ask, instead of CAMP_RESOLVER')
    .action(run(check));
}

async function check(cli: Cli, address: string): Promise<ExitCode> {
  const resolver = createResolver(cli.config);
  const source = await withDatabase(cli, (database) => findSource(database, address));
  await using scope = Scope.root('source check', { deadlineMs: CHECK_MS_MAX });
  const records = await checkSource(scope, resolver, source);
  const here = usableHere(source);
  cli.out.say(
    table(
      records.map(({ verdict, type, name, expected, found }) => [
        verdict,
        type,
        name,
        expected,
        found.join(', ') || '(nothing)',
      ]),
      '',
    ),
  );
  for (const { advice } of records) if (advice !== null) cli.out.say(advice);
  if (!here) cli.out.say(`This machine does not have ${source.address}: its workers do not send from it.`);
  const ok = records.every(({ verdict }) => verdict === 'ok');
  cli.out.result({ address: source.address, ok, here, records });
  return ok ? EXIT.ok : EXIT.failed;
}
