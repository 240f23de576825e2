/** `camp sso …`: OpenID providers that people may sign in with, in all workspaces. */
import { text as readAll } from 'node:stream/consumers';
import type { Command } from 'commander';
import { addProvider, listProviders, removeProvider } from '../accounts/oidc-providers.ts';
import { loadSecrets } from '../kernel/secrets.ts';
import { type Cli, run } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { table } from './output.ts';

export function ssoCommand(program: Command): void {
  const sso = program.command('sso').description('OpenID providers that people may sign in with');
  sso
    .command('add <name> <issuer>')
    .description('trust a provider, or change its client; the client secret is read from standard input')
    .requiredOption('--client-id <id>', 'as the provider gave it')
    .action(run(add));
  sso.command('list').description('all of them, without their secrets').action(run(list));
  sso
    .command('remove <name>')
    .description('nobody signs in with it any more; who did stays a member')
    .action(run(remove));
}

async function add(
  cli: Cli,
  name: string,
  issuer: string,
  { clientId }: { clientId: string },
): Promise<ExitCode> {
  const clientSecret = (await readAll(process.stdin)).trim();
  await withDatabase(cli, async (database) => {
    const secrets = await loadSecrets(database, cli.config.secret);
    await addProvider(database, secrets, { name, issuer, clientId, clientSecret });
  });
  cli.out.say(`People may sign in with ${name} (${issuer}) now.`);
  cli.out.result({ name, issuer, client_id: clientId });
  return EXIT.ok;
}

async function list(cli: Cli): Promise<ExitCode> {
  const providers = await withDatabase(cli, listProviders);
  if (providers.length === 0) cli.out.say('There is no provider: people sign in with a password.');
  else
    cli.out.say(
      table(
        providers.map(({ name, issuer, clientId }) => [name, issuer, clientId]),
        '',
      ),
    );
  const json = providers.map(({ name, issuer, clientId }) => ({ name, issuer, client_id: clientId }));
  cli.out.result({ providers: json });
  return EXIT.ok;
}

async function remove(cli: Cli, name: string): Promise<ExitCode> {
  await withDatabase(cli, (database) => removeProvider(database, name));
  cli.out.say(`Nobody signs in with ${name} any more.`);
  cli.out.result({ name, removed: true });
  return EXIT.ok;
}
