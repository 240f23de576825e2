/** `camp domain …`: the domains that a workspace sends as, and what stands in the DNS about them. */
import type { Command } from 'commander';
import type { Database } from '../kernel/database.ts';
import { Scope } from '../kernel/scope.ts';
import { loadSecrets } from '../kernel/secrets.ts';
import type { CheckedRecord } from '../senders/dns-records.ts';
import { readDomain } from '../senders/domain-names.ts';
import {
  addDomain,
  checkDomain,
  type DomainCheck,
  listDomains,
  rotateDomain,
  type SendingDomain,
} from '../senders/domains.ts';
import { describeInstallation } from '../senders/installation.ts';
import { type Cli, run } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { plural, styled, table } from './output.ts';
import { createResolver } from './resolver.ts';

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
  domain.command('list').description('all of them, with their keys').action(run(list));
}

function askingDns(command: Command): Command {
  return command.option('--resolver <ip:port>', 'the DNS server to ask, instead of CAMP_RESOLVER');
}

async function add(cli: Cli, text: string, { ed25519 }: { ed25519?: true }): Promise<ExitCode> {
  const algorithms = ['rsa-sha256', ...(ed25519 ? ['ed25519-sha256' as const] : [])] as const;
  await withDatabase(cli, async (database) => {
    const secrets = await loadSecrets(database, cli.config.secret);
    const domain = await addDomain(database, secrets, cli.workspaceId, text, algorithms);
    await show(cli, database, domain);
  });
  return EXIT.ok;
}

async function rotate(cli: Cli, text: string): Promise<ExitCode> {
  await withDatabase(cli, async (database) => {
    const secrets = await loadSecrets(database, cli.config.secret);
    await show(cli, database, await rotateDomain(database, secrets, cli.workspaceId, text));
  });
  return EXIT.ok;
}

async function check(cli: Cli, text: string): Promise<ExitCode> {
  const domain = readDomain(text);
  const ok = await withDatabase(cli, (database) => show(cli, database, domain));
  return ok ? EXIT.ok : EXIT.failed;
}

async function list(cli: Cli): Promise<ExitCode> {
  const domains = await withDatabase(cli, (database) => listDomains(database, cli.workspaceId));
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
async function show(cli: Cli, database: Database, domain: string): Promise<boolean> {
  await using scope = Scope.root('domain check');
  const { workspaceId, config } = cli;
  const resolver = createResolver(config);
  const installation = await describeInstallation(database, config);
  const found = await checkDomain({ scope, resolver, database, workspaceId, installation }, domain);
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
