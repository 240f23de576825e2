/** `camp campaign create`: a draft from a template file, for lists and segments that are named. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { allLists } from '../audience/queries.ts';
import { findSegmentByName } from '../audience/segments.ts';
import { createCampaign } from '../campaigns/draft.ts';
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
  segment: string[];
  exceptList: string[];
  exceptSegment: string[];
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
  if (options.list.length + options.segment.length === 0)
    throw usageError('Say who gets it: --list NAME or --segment NAME.');
  const giveUpSeconds = readDuration(options.giveUp, '--give-up');
  const template = { name: basename(options.template), body: await readFile(options.template, 'utf8') };
  const id = await withDatabase(cli, async (database) => {
    const audience = await findAudience(cli, database, options);
    const postalAddress = options.postalAddress ?? cli.config.postalAddress;
    await checkDraft(database, cli.workspaceId, { ...audience, template, postalAddress });
    const campaign = {
      name: options.name,
      ...audience,
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

async function findAudience(cli: Cli, database: Database, options: CreateOptions) {
  return {
    listIds: await findLists(cli, database, options.list),
    segmentIds: await findSegments(cli, database, options.segment),
    excludedListIds: await findLists(cli, database, options.exceptList),
    excludedSegmentIds: await findSegments(cli, database, options.exceptSegment),
  };
}

function findSegments(cli: Cli, database: Database, names: string[]): Promise<string[]> {
  const { workspaceId } = cli;
  return Promise.all(
    names.map(async (name) => {
      const found = await database.withWorkspace(workspaceId, (tx) =>
        findSegmentByName(tx, workspaceId, name),
      );
      return found.id;
    }),
  );
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
