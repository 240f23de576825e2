/** `camp route …`: how the mail of a sending domain gets out. */
import type { Command } from 'commander';
import { readDomain } from '../senders/domain-names.ts';
import { allSendingRoutes } from '../senders/queries-routes.ts';
import {
  ANY_DOMAIN,
  environmentRoute,
  type Route,
  removeRoute,
  routePlanOf,
  setRoute,
} from '../senders/routes.ts';
import { type Cli, run } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { inWorkspace } from './open-database.ts';
import { table } from './output.ts';

const HELP = `
A route is ways with commas between, and levels with / between:
  relay:NAME    through a relay (\`camp relay list\`)
  direct        to the recipients' mail servers, from the pool "default"; direct:POOL from another
  ...*WEIGHT    its share among the ways of its level
  /             what follows is used while nothing before it works

  camp route set acme.example relay:main
  camp route set "*" "relay:main*3, direct:bulk / relay:backup"`;

export function routeCommand(program: Command): void {
  const route = program.command('route').description('how the mail of a sending domain gets out');
  route
    .command('set <domain> <route...>')
    .description('for a sending domain and those below it; "*": for all that have no route')
    .addHelpText('after', HELP)
    .action(run(set));
  route
    .command('show [domain]')
    .description('all routes, or what the mail of a domain does')
    .action(run(show));
  route
    .command('remove <domain>')
    .description('the domain goes where others without a route go')
    .action(run(remove));
}

async function set(cli: Cli, domain: string, words: string[]): Promise<ExitCode> {
  const fallback = environmentRoute(cli.config);
  const { route } = await inWorkspace(cli, (tx, secrets) =>
    setRoute(tx, secrets, cli.workspaceId, { domain, route: words.join(' '), fallback }),
  );
  cli.out.say(`${domain}: ${route}`);
  cli.out.result({ domain, route });
  return EXIT.ok;
}

function show(cli: Cli, domain: string | undefined): Promise<ExitCode> {
  return domain === undefined ? showAll(cli) : showPlan(cli, readDomain(domain));
}

async function showAll(cli: Cli): Promise<ExitCode> {
  const routes = await inWorkspace(cli, (tx) => allSendingRoutes(tx, cli.workspaceId));
  const fallback = environmentRoute(cli.config);
  const otherwise = fallback && (fallback.kind === 'relay' ? 'relay:relay' : 'direct');
  const rows = routes.map(({ domain, route }) => [domain, route]);
  if (!routes.some(({ domain }) => domain === ANY_DOMAIN))
    rows.push(['without a route', otherwise ?? 'no way out: set SMTP_URL or CAMP_RESOLVER']);
  cli.out.say(table(rows, ''));
  cli.out.result({ routes, otherwise });
  return EXIT.ok;
}

async function showPlan(cli: Cli, domain: string): Promise<ExitCode> {
  const fallback = environmentRoute(cli.config);
  const plan = await inWorkspace(cli, (tx, secrets) =>
    routePlanOf(tx, secrets, cli.workspaceId, domain, fallback),
  );
  const rows = plan.levels.flatMap((level, index) =>
    level.map((route) => [`level ${index + 1}`, ...describe(route)]),
  );
  if (rows.length > 0) cli.out.say(table(rows, ''));
  for (const problem of plan.problems) cli.out.say(problem);
  cli.out.result({ domain, levels: plan.levels.map((level) => level.map(jsonOf)), problems: plan.problems });
  return EXIT.ok;
}

async function remove(cli: Cli, domain: string): Promise<ExitCode> {
  await inWorkspace(cli, (tx) => removeRoute(tx, cli.workspaceId, domain));
  cli.out.say(`${domain} has no route of its own now.`);
  cli.out.result({ domain, removed: true });
  return EXIT.ok;
}

function describe(route: Route): string[] {
  if (route.kind === 'relay')
    return [`relay:${route.name}`, `*${route.weight}`, `${route.options.host}:${route.options.port}`];
  const addresses = route.sources.map(({ address }) => address).join(', ') || "the machine's own address";
  return [`direct:${route.pool}`, `*${route.weight}`, `from ${addresses}`];
}

function jsonOf(route: Route): Record<string, unknown> {
  const { kind, weight } = route;
  if (kind === 'relay')
    return { kind, name: route.name, weight, host: route.options.host, port: route.options.port };
  return { kind, pool: route.pool, weight, sources: route.sources.map(({ address }) => address) };
}
