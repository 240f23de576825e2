/** `camp domain …`: the domains that a workspace sends as, and what stands in the DNS about them. */
import type { Command } from 'commander';
import { Scope } from '../kernel/scope.ts';
import type { CheckedRecord } from '../senders/dns-records.ts';
import { readDomain } from '../senders/domain-names.ts';
import {
  addDomain,
  checkDomain,
  type DomainCheck,
  domainPage,
  removeDomain,
  retireKey,
  rotateDomain,
  type SendingDomain,
} from '../senders/domains.ts';
import { describeInstallation } from '../senders/installation.ts';
import { createResolver } from '../smtp/resolver.ts';
import { type Cli, run } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { inWorkspace, withDatabase } from './open-database.ts';
import { plural, styled, table } from './output.ts';

const ALL = 1_000_000;

export function domainCommand(program: Command): void {
  const domain = program.command('domain').description('the domains that the workspace sends as');
  askingDns(domain.command('add <domain>'))
    .description('make its DKIM key, and print the DNS records to publish')
    .option('--ed25519', 'a second key of this kind, which few receivers verify')
    .action(run(add));
  askingDns(domain.command('check <domain>'))
    .description('compare the DNS with what it should have; a new key signs once its record is there')
    .action(run(check));
  askingDns(domain.command('rotate <domain>'))
    .description('make a new DKIM key, which takes over once its record is in the DNS')
    .action(run(rotate));
  domain
    .command('retire <domain> <selector>')
    .description('a DKIM key that another one took over from, or that does not sign yet')
    .action(run(retire));
  domain
    .command('remove <domain>')
    .description('forget it and its keys, unless a campaign that is not over sends as it')
    .action(run(remove));
  domain.command('list').description('all of them, with their keys').action(run(list));
}

function askingDns(command: Command): Command {
  return command.option('--resolver <ip:port>', 'the DNS server to ask, instead of CAMP_RESOLVER');
}

async function add(cli: Cli, text: string, { ed25519 }: { ed25519?: true }): Promise<ExitCode> {
  const algorithms = ['rsa-sha256', ...(ed25519 ? ['ed25519-sha256' as const] : [])] as const;
  const { workspaceId } = cli;
  const domain = await inWorkspace(cli, (tx, secrets) =>
    addDomain(tx, secrets, workspaceId, text, algorithms),
  );
  await show(cli, domain);
  return EXIT.ok;
}

async function rotate(cli: Cli, text: string): Promise<ExitCode> {
  await show(cli, await inWorkspace(cli, (tx, secrets) => rotateDomain(tx, secrets, cli.workspaceId, text)));
  return EXIT.ok;
}

async function retire(cli: Cli, text: string, selector: string): Promise<ExitCode> {
  const domain = await inWorkspace(cli, (tx) => retireKey(tx, cli.workspaceId, text, selector));
  cli.out.say(`The key ${selector} signs nothing any more. Leave its record in the DNS for a week.`);
  cli.out.result({ domain, selector, retired: true });
  return EXIT.ok;
}

async function remove(cli: Cli, text: string): Promise<ExitCode> {
  const domain = await inWorkspace(cli, (tx) => removeDomain(tx, cli.workspaceId, text));
  cli.out.say(`The domain ${domain} is gone, with its keys. Leave their records in the DNS for a week.`);
  cli.out.result({ domain, removed: true });
  return EXIT.ok;
}

async function check(cli: Cli, text: string): Promise<ExitCode> {
  const ok = await show(cli, readDomain(text));
  return ok ? EXIT.ok : EXIT.failed;
}

async function list(cli: Cli): Promise<ExitCode> {
  const domains = await inWorkspace(cli, (tx) => domainPage(tx, cli.workspaceId, null, ALL));
  if (domains.length === 0) cli.out.say('There is no sending domain yet: add one with `camp domain add`.');
  else cli.out.say(table(domains.flatMap(keyRows), ''));
  cli.out.result({ domains: domains.map(({ domain, keys }) => ({ domain, keys: keys.map(keyJson) })) });
  return EXIT.ok;
}

function keyRows({ domain, keys }: SendingDomain): string[][] {
  return keys.map(({ selector, algorithm, state, createdAt }) => [
    domain,
    selector,
    algorithm,
    state,
    createdAt.toISOString().slice(0, 10),
  ]);
}

function keyJson({ selector, algorithm, state, createdAt }: SendingDomain['keys'][number]) {
  return { selector, algorithm, state, created_at: createdAt };
}

/** Looks, and prints what there is and what there should be; true when nothing is amiss. */
async function show(cli: Cli, domain: string): Promise<boolean> {
  await using scope = Scope.root('domain check');
  const { workspaceId, config } = cli;
  const resolver = createResolver(config);
  const found = await withDatabase(cli, async (database) => {
    const installation = await describeInstallation(database, config);
    return checkDomain({ scope, resolver, database, workspaceId, installation }, domain);
  });
  if (found.kind === 'not-added')
    throw usageError(`${domain} was not added yet: run \`camp domain add ${domain}\`.`);
  const ok = found.records.every(({ verdict }) => verdict === 'ok');
  for (const line of describe(cli, found)) cli.out.say(line);
  const { signingDomain, activated, records } = found;
  cli.out.result({ domain, signing_domain: signingDomain, ok, activated, records });
  return ok;
}

function describe(cli: Cli, { domain, activated, records }: DomainCheck & { kind: 'checked' }): string[] {
  const amiss = records.filter(({ verdict }) => verdict !== 'ok').length;
  return [
    ...records.flatMap((record) => describeRecord(cli, record)),
    ...activated.map((selector) => `\nCamp signs with ${selector} from now on.`),
    amiss === 0
      ? `\n${domain} is as it should be.`
      : `\n${plural(amiss, 'record')} to see to; then run \`camp domain check ${domain}\`.`,
  ];
}

const STYLES = { ok: 'green', missing: 'yellow', wrong: 'red', unknown: 'yellow' } as const;

function describeRecord({ out }: Cli, record: CheckedRecord): string[] {
  const { verdict, type, name, found, zone, advice } = record;
  const head = `${styled(out, STYLES[verdict], verdict.padEnd(7))}  ${type.padEnd(5)}  ${name}`;
  if (verdict === 'ok') return advice === null ? [head] : [head, `         ${advice}`];
  return [
    head,
    `         ${advice}`,
    ...found.map((text) => `         found:  ${text}`),
    `         zone:   ${zone}`,
  ];
}
