/** `camp campaign …`: what can be done with a campaign, one line each. */
import type { Command } from 'commander';
import { cancelCampaign, continueCampaign, pauseCampaign, resumeCampaign } from '../campaigns/campaign.ts';
import type { CampaignKey } from '../campaigns/queries.ts';
import { listCampaigns } from '../campaigns/queries.ts';
import type { Database } from '../kernel/database.ts';
import { collect } from './arguments.ts';
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
    .requiredOption('--list <name>', 'who gets it; may be given several times', collect)
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
  verb(campaign, 'pause', 'hold back what is not on the wire', pauseCampaign);
  verb(campaign, 'resume', 'go on with a paused campaign', resumeCampaign);
  verb(campaign, 'continue', 'go on to the next stage of a rollout that holds', continueCampaign);
  verb(campaign, 'cancel', 'end it for good; what waits is never sent', cancelCampaign);
}

function verb(
  campaign: Command,
  name: string,
  description: string,
  act: (database: Database, of: CampaignKey) => Promise<void>,
): void {
  campaign
    .command(`${name} <id>`)
    .description(description)
    .action(
      run(async (cli, id: string) => {
        const of = keyOf(cli, id);
        await withDatabase(cli, (database) => act(database, of));
        cli.out.say(`${name}: done. See \`camp campaign status ${id}\`.`);
        cli.out.result({ id: of.campaignId });
        return EXIT.ok;
      }),
    );
}

async function list(cli: Cli): Promise<ExitCode> {
  const campaigns = await withDatabase(cli, (database) =>
    database.withWorkspace(cli.workspaceId, (tx) => listCampaigns(tx, cli.workspaceId, LISTED_MAX)),
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
