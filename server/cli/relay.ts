/** `camp relay …`: the SMTP servers that the workspace hands its mail to. A password is never printed. */
import { text as readAll } from 'node:stream/consumers';
import type { Command } from 'commander';
import { Scope } from '../kernel/scope.ts';
import { type Relay, relayPage, removeRelay, saveRelay } from '../senders/relays.ts';
import { environmentRoute } from '../senders/routes.ts';
import { placeOf, tryRelay } from '../senders/try-relay.ts';
import { type Cli, run } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { inWorkspace } from './open-database.ts';
import { table } from './output.ts';

const TEST_MS_MAX = 20_000;
const ALL = 1_000_000;

export function relayCommand(program: Command): void {
  const relay = program.command('relay').description('the SMTP servers that the workspace hands its mail to');
  relay
    .command('add <name> <url>')
    .description('add one, or give it another URL; with - the URL is read from standard input')
    .action(run(add));
  relay.command('list').description('all of them, without their passwords').action(run(list));
  relay.command('remove <name>').description('forget one that no route uses').action(run(remove));
  relay
    .command('test <name>')
    .description('connect, encrypt and log in as a worker would, and say what was offered')
    .action(run(testRelay));
}

async function add(cli: Cli, name: string, urlOrDash: string): Promise<ExitCode> {
  const url = urlOrDash === '-' ? (await readAll(process.stdin)).trim() : urlOrDash;
  const isNew = await inWorkspace(cli, (tx, secrets) =>
    saveRelay(tx, secrets, cli.workspaceId, { name, url, trusted: true }),
  );
  cli.out.say(
    `The relay ${name} ${isNew ? 'is there' : 'has another URL'} now. A route uses it: \`camp route set "*" relay:${name}\`.`,
  );
  cli.out.result({ name, added: isNew });
  return EXIT.ok;
}

async function list(cli: Cli): Promise<ExitCode> {
  const relays = await allRelays(cli);
  if (relays.length === 0) cli.out.say('There is no relay yet: add one with `camp relay add`.');
  else cli.out.say(table(relays.map(describe), ''));
  cli.out.result({ relays: relays.map(jsonOf) });
  return EXIT.ok;
}

async function remove(cli: Cli, name: string): Promise<ExitCode> {
  await inWorkspace(cli, (tx) => removeRelay(tx, cli.workspaceId, name));
  cli.out.say(`The relay ${name} is gone.`);
  cli.out.result({ name, removed: true });
  return EXIT.ok;
}

async function testRelay(cli: Cli, name: string): Promise<ExitCode> {
  const relay = (await allRelays(cli)).find((candidate) => candidate.name === name);
  if (!relay) throw usageError(`There is no relay "${name}": see \`camp relay list\`.`);
  if (relay.kind === 'sealed') throw usageError(`The relay ${name} cannot be used: ${relay.error}`);
  const { options } = relay;
  await using scope = Scope.root('relay test', { deadlineMs: TEST_MS_MAX });
  const tried = await tryRelay(scope, options, cli.config.heloName);
  if (tried.kind === 'failed') {
    const { phase, failure } = tried;
    cli.out.say(`${placeOf(options)}: ${failure}.`);
    cli.out.result({ name, ok: false, phase, failure });
    return EXIT.failed;
  }
  const { loggedIn, offers } = tried;
  const asWhom = options.credentials ? ` and lets us log in as ${options.credentials.user}` : '';
  cli.out.say(`${placeOf(options)} answers${asWhom}. It offers ${offers.join(', ') || 'nothing'}.`);
  cli.out.result({ name, ok: true, loggedIn, offers });
  return EXIT.ok;
}

/** With the one of SMTP_URL. */
async function allRelays(cli: Cli): Promise<Relay[]> {
  const ofEnvironment = environmentRoute(cli.config);
  const stored = await inWorkspace(cli, (tx, secrets) => relayPage(tx, secrets, cli.workspaceId, null, ALL));
  return ofEnvironment?.kind === 'relay' ? [...stored, ofEnvironment] : stored;
}

function describe(relay: Relay): string[] {
  if (relay.kind === 'sealed') return [relay.name, relay.error];
  const { tls, credentials } = relay.options;
  return [relay.name, placeOf(relay.options), `TLS ${tls}`, credentials?.user ?? ''];
}

function jsonOf(relay: Relay): Record<string, unknown> {
  const { name } = relay;
  if (relay.kind === 'sealed') return { name, error: relay.error };
  const { host, port, tls, verify, credentials } = relay.options;
  return { name, host, port, tls, verify, user: credentials?.user ?? null };
}
