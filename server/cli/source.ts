/** `camp source …`: the addresses that mail leaves from on its way to the recipients' mail servers. */
import type { Command } from 'commander';
import type { Database } from '../kernel/database.ts';
import { grantPool, openPool, revokePool } from '../senders/pools.ts';
import { allSources, type SourceRow } from '../senders/queries-routes.ts';
import { readWeight } from '../senders/route-names.ts';
import { DEFAULT_POOL } from '../senders/routes-text.ts';
import { addSource, removeSource, usableHere } from '../senders/sources.ts';
import { dayOf, warmUpPerDay } from '../senders/warm-up.ts';
import { type Cli, run } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { count, table } from './output.ts';
import { addCheck } from './source-check.ts';
import { addWarmUp } from './source-warm-up.ts';

export function sourceCommand(program: Command): void {
  const source = program
    .command('source')
    .description("the addresses that mail leaves from on its way to the recipients' mail servers");
  source
    .command('add <address>')
    .description('add one, or change it; the machine that has the address can use it')
    .requiredOption('--helo <name>', "what it says in EHLO: the address's reverse name")
    .option('--pool <name>', 'the stream that it is for, such as bulk or transactional', DEFAULT_POOL)
    .option('--weight <n>', 'its share of the pool', '1')
    .option('--public <address>', 'what others see of it, behind NAT')
    .action(run(add));
  source.command('list').description('all of them, with what warm-up lets them send today').action(run(list));
  source.command('remove <address>').description('forget one, and its warm-up').action(run(remove));
  addCheck(source);
  addWarmUp(source);
  ofPool(
    source,
    'grant',
    'only workspaces that it was granted to, this one among them, may use a pool',
    grantPool,
  );
  ofPool(source, 'revoke', 'this workspace may not use a pool any more', revokePool);
  ofPool(source, 'open', 'every workspace may use a pool', openPool);
}

interface AddFlags {
  helo: string;
  pool: string;
  weight: string;
  public?: string;
}

async function add(cli: Cli, address: string, flags: AddFlags): Promise<ExitCode> {
  const weight = readWeight(flags.weight);
  const { helo: heloName, pool, public: publicAddress = null } = flags;
  const isNew = await withDatabase(cli, (database) =>
    addSource(database, { address, publicAddress, heloName, pool, weight }),
  );
  cli.out.say(`The source ${address} is ${isNew ? '' : 'changed and '}in the pool ${pool}.`);
  if (!usableHere({ address }))
    cli.out.say('This machine does not have the address: workers on the machine that has it use it.');
  cli.out.result({ address, added: isNew });
  return EXIT.ok;
}

async function list(cli: Cli): Promise<ExitCode> {
  const sources = await withDatabase(cli, (database) => database.withSystem(allSources));
  const today = dayOf(new Date());
  if (sources.length === 0)
    cli.out.say(
      "There is no source yet: direct mail leaves from each machine's own address. Add one with `camp source add`.",
    );
  else
    cli.out.say(
      table(
        sources.map((source) => describe(source, today)),
        '',
      ),
    );
  cli.out.result({ sources: sources.map((source) => jsonOf(source, today)) });
  return EXIT.ok;
}

async function remove(cli: Cli, address: string): Promise<ExitCode> {
  await withDatabase(cli, (database) => removeSource(database, address));
  cli.out.say(`The source ${address} is gone.`);
  cli.out.result({ address, removed: true });
  return EXIT.ok;
}

function ofPool(
  source: Command,
  name: string,
  description: string,
  act: (database: Database, workspaceId: string, pool: string) => Promise<void>,
): void {
  source
    .command(`${name} <pool>`)
    .description(description)
    .action(
      run(async (cli, pool: string) => {
        await withDatabase(cli, (database) => act(database, cli.workspaceId, pool));
        cli.out.say(`${name} ${pool}: done.`);
        cli.out.result({ pool, workspace: cli.workspaceId });
        return EXIT.ok;
      }),
    );
}

function describe(source: SourceRow, today: string): string[] {
  const { address, publicAddress, heloName, pool, weight, open } = source;
  return [
    publicAddress === null ? address : `${address} (${publicAddress})`,
    heloName,
    `${pool}${open ? '' : ' (granted)'} *${weight}`,
    usableHere(source) ? 'here' : 'elsewhere',
    rampsOf(source, today)
      .map(({ provider, today: n }) => `${provider}: ${n === null ? 'warm' : `${count(n)} today`}`)
      .join(', '),
  ];
}

function jsonOf(source: SourceRow, today: string): Record<string, unknown> {
  return { ...source, here: usableHere(source), warmUps: rampsOf(source, today) };
}

function rampsOf(source: SourceRow, today: string) {
  return source.warmUps.map((warmUp) => ({ ...warmUp, today: warmUpPerDay(source, warmUp.provider, today) }));
}
