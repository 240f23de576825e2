/** `camp campaign create`: a draft from a template file, for lists that are named. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { allLists } from '../audience/queries.ts';
import { createCampaign } from '../campaigns/campaign.ts';
import { checkDraft } from '../campaigns/draft-check.ts';
import type { Database } from '../kernel/database.ts';
import { readDuration, readSender } from './arguments.ts';
import type { Cli } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';

interface CreateOptions {
  name: string;
  list: string[];
  template: string;
  from: string;
  replyTo?: string;
  giveUp: string;
  postalAddress?: string;
}

export async function create(cli: Cli, options: CreateOptions): Promise<ExitCode> {
  const from = readSender(options.from, '--from');
  const replyTo =
    options.replyTo === undefined ? {} : { replyTo: readSender(options.replyTo, '--reply-to').email };
  const giveUpSeconds = readDuration(options.giveUp, '--give-up');
  const template = { name: basename(options.template), body: await readFile(options.template, 'utf8') };
  const id = await withDatabase(cli, async (database) => {
    const listIds = await findLists(cli, database, options.list);
    const postalAddress = options.postalAddress ?? cli.config.postalAddress;
    await checkDraft(database, cli.workspaceId, { listIds, template, postalAddress });
    const campaign = {
      name: options.name,
      listIds,
      from,
      ...replyTo,
      template,
      giveUpSeconds,
      postalAddress,
    };
    return createCampaign(database, cli.workspaceId, campaign);
  });
  cli.out.say(id);
  cli.out.result({ id });
  return EXIT.ok;
}

async function findLists(cli: Cli, database: Database, names: string[]): Promise<string[]> {
  const lists = await database.withWorkspace(cli.workspaceId, (tx) => allLists(tx, cli.workspaceId));
  return names.map((name) => {
    const found = lists.find((list) => list.name === name);
    if (found) return found.id;
    const known =
      lists.length === 0
        ? 'there are none yet'
        : `there are ${lists.map((list) => `"${list.name}"`).join(', ')}`;
    throw usageError(`There is no list "${name}": ${known}. \`camp import FILE --list NAME\` makes one.`);
  });
}
