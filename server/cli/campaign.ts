/** `camp campaign …`: what can be done with a campaign, one line each. */
import type { Command } from 'commander';
import { cancel, goOn, pause, resume, revise, setPace, setWindow, type Verb } from '../campaigns/campaign.ts';
import { PER_HOUR_MAX } from '../campaigns/plan.ts';
import type { CampaignKey } from '../campaigns/queries.ts';
import { campaignPage } from '../campaigns/queries.ts';
import { collect, readInteger } from './arguments.ts';
import { check } from './campaign-check.ts';
import { create } from './campaign-create.ts';
import { planOptions } from './campaign-plan.ts';
import { send } from './campaign-send.ts';
import { showStatus } from './campaign-status.ts';
import { type Cli, run, uuid } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { table } from './output.ts';

const LISTED_MAX = 50;

export function campaignCommand(program: Command): void {
  const campaign = program.command('campaign').description('make and steer campaigns');
  campaign
    .command('create')
    .description('make a draft and print its id')
    .requiredOption('--name <name>', 'for you; recipients do not see it')
    .option('--list <name>', 'who gets it; may be given several times', collect, [])
    .option('--segment <name>', 'who gets it as well; may be given several times', collect, [])
    .option('--except-list <name>', 'who does not get it', collect, [])
    .option('--except-segment <name>', 'who does not get it', collect, [])
    .requiredOption('--template <file>', 'MJML, HTML or plain text')
    .requiredOption('--from <sender>', '"Acme News <news@acme.example>"')
    .option('--reply-to <address>', 'where answers go, if not to the sender')
    .option('--postal-address <text>', 'what {{ postal_address }} prints, instead of CAMP_POSTAL_ADDRESS')
    .option('--give-up <time>', 'how long temporary failures are tried again, such as 30m, 48h or 2d', '48h')
    .action(run(create));
  campaign.command('list').description('the newest campaigns').action(run(list));
  campaign
    .command('check <id>')
    .description('what would make providers refuse its mail, before it is sent')
    .action(run(check));
  planOptions(campaign.command('send <id>'))
    .description('send it now, or by a plan, after a look at the checklist')
    .option('--yes', 'send it although something should be looked at')
    .option('--force', 'send it although a check failed; who did is written down')
    .option('--wait', 'show the progress until it has ended')
    .action(run(send));
  campaign
    .command('status <id>')
    .description('where its messages are')
    .option('--watch', 'show the progress until it has ended')
    .option('--rows', 'count the messages themselves instead of adding up counters')
    .action(run(showStatus));
  verb(campaign, 'pause', 'hold back what is not on the wire', pause);
  verb(campaign, 'resume', 'go on with a paused campaign', resume);
  verb(campaign, 'continue', 'go on to the next stage of a rollout that holds', goOn);
  verb(campaign, 'revise', 'back to a draft, while nobody has got anything', revise);
  verb(campaign, 'cancel', 'end it for good; what waits is never sent', cancel);
  steering(campaign);
}

function steering(campaign: Command): void {
  campaign
    .command('pace <id> <per-hour>')
    .description('how many an hour from now on, by all workers together, or off')
    .action(
      run(async (cli, id: string, perHour: string) => {
        const max = perHour === 'off' ? null : readInteger(perHour, 'The pace', 1, PER_HOUR_MAX);
        return act(cli, id, 'pace', (tx, of) => setPace(tx, of, max));
      }),
    );
  campaign
    .command('window <id> <times>')
    .description('send only then from now on, such as "Mon-Fri 09:00-17:00", or off')
    .option('--timezone <name>', 'such as Europe/Berlin; without it the one that it has')
    .action(
      run(async (cli, id: string, times: string, { timezone }: { timezone?: string }) => {
        const window = times === 'off' ? null : times;
        return act(cli, id, 'window', (tx, of) => setWindow(tx, of, { window, timezone }));
      }),
    );
}

async function act(cli: Cli, id: string, name: string, verb: Verb): Promise<ExitCode> {
  const of = keyOf(cli, id);
  await withDatabase(cli, (database) => database.withWorkspace(of.workspaceId, (tx) => verb(tx, of)));
  cli.out.say(`${name}: done. See \`camp campaign status ${id}\`.`);
  cli.out.result({ id: of.campaignId });
  return EXIT.ok;
}

function verb(campaign: Command, name: string, description: string, perform: Verb): void {
  campaign
    .command(`${name} <id>`)
    .description(description)
    .action(run((cli, id: string) => act(cli, id, name, perform)));
}

async function list(cli: Cli): Promise<ExitCode> {
  const campaigns = await withDatabase(cli, (database) =>
    database.withWorkspace(cli.workspaceId, (tx) => campaignPage(tx, cli.workspaceId, null, LISTED_MAX)),
  );
  if (campaigns.length === 0) cli.out.say('There is no campaign yet: make one with `camp campaign create`.');
  else
    cli.out.say(
      table(
        campaigns.map(({ id, state, audience, createdAt, name }) => [
          id,
          state,
          audience,
          createdAt.toISOString().slice(0, 16).replace('T', ' '),
          name,
        ]),
        '',
      ),
    );
  cli.out.result({
    campaigns: campaigns.map(({ id, name, state, audience }) => ({ id, name, state, audience })),
  });
  return EXIT.ok;
}

function keyOf(cli: Cli, id: string): CampaignKey {
  return { workspaceId: cli.workspaceId, campaignId: uuid(id, 'campaign id') };
}
