/** `camp segment …`: people who are described rather than listed; by the same functions as the API. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { audit } from '../accounts/audit.ts';
import { operator } from '../accounts/principal.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { findContactByEmail } from '../audience/queries-contacts.ts';
import * as segments from '../audience/segments.ts';
import type { Tx } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { readName } from './arguments.ts';
import { type Cli, run } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { plural, table } from './output.ts';

export function segmentCommand(program: Command): void {
  const segment = program.command('segment').description('people who are described rather than listed');
  segment
    .command('create <name>')
    .description('make one of rules, and print its id')
    .requiredOption('--rules <file>', 'JSON: {"all": […]} or {"any": […]}; see docs/segments.md')
    .action(run(create));
  segment.command('list').description('all of them, with what they say').action(run(list));
  segment.command('show <name>').description('its rules, and a sentence').action(run(show));
  segment.command('count <name>').description('how many people are in it now').action(run(count));
  segment.command('sample <name>').description('the ten newest people in it').action(run(sample));
  segment
    .command('why <name> <email>')
    .description('why this person is in it, or is not, condition by condition')
    .action(run(why));
}

async function create(cli: Cli, name: string, flags: { rules: string }): Promise<ExitCode> {
  const given = { name: readName(name, 'the name'), rules: await readRulesFile(flags.rules) };
  const { id } = await withDatabase(cli, async (database) => {
    if (cli.workspaceId === DEFAULT_WORKSPACE_ID) await ensureWorkspace(database, cli.workspaceId, 'Default');
    return database.withWorkspace(cli.workspaceId, async (tx) => {
      const made = await segments.createSegment(tx, cli.workspaceId, given);
      const after = { name: made.name, rules: made.rules };
      const entry = { action: 'segment.created', subject: `segment/${made.id}`, after };
      await audit(tx, operator(cli.workspaceId), entry);
      return made;
    });
  });
  cli.out.say(id);
  cli.out.result({ id });
  return EXIT.ok;
}

async function readRulesFile(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageError(`${path} is no JSON: ${(error as Error).message}.`);
  }
}

const PAGE = 200;

async function list(cli: Cli): Promise<ExitCode> {
  const described = await inWorkspace(cli, async (tx) => {
    const rows: segments.Segment[] = [];
    for (let page = PAGE; page === PAGE; ) {
      const after = rows.at(-1)?.name ?? null;
      const found = await segments.listSegments(tx, cli.workspaceId, { after, limit: PAGE });
      rows.push(...found);
      page = found.length;
    }
    const rules = rows.map((row) => row.rules);
    const sentences = await segments.sentencesOf(tx, cli.workspaceId, rules);
    return rows.map(({ id, name }, index) => ({ id, name, sentence: sentences[index] ?? '' }));
  });
  if (described.length === 0) cli.out.say('There is no segment yet: make one with `camp segment create`.');
  else
    cli.out.say(
      table(
        described.map(({ name, sentence }) => [name, sentence]),
        '',
      ),
    );
  cli.out.result({ segments: described });
  return EXIT.ok;
}

async function show(cli: Cli, name: string): Promise<ExitCode> {
  const { segment, sentence } = await inWorkspace(cli, async (tx) => {
    const found = await segments.findSegmentByName(tx, cli.workspaceId, name);
    const [text = ''] = await segments.sentencesOf(tx, cli.workspaceId, [found.rules]);
    return { segment: found, sentence: text };
  });
  cli.out.say(`${sentence}\n\n${JSON.stringify(segment.rules, null, 2)}`);
  cli.out.result({ id: segment.id, name, rules: segment.rules, sentence });
  return EXIT.ok;
}

async function count(cli: Cli, name: string): Promise<ExitCode> {
  const { count: people, asOf } = await ofSegment(cli, name, (tx, { rules }) =>
    segments.countMembers(tx, cli.workspaceId, rules),
  );
  cli.out.say(`${plural(people, 'contact')}, as of ${asOf.toISOString()}`);
  cli.out.result({ count: people, as_of: asOf });
  return EXIT.ok;
}

async function sample(cli: Cli, name: string): Promise<ExitCode> {
  const people = await ofSegment(cli, name, (tx, { rules }) =>
    segments.sampleMembers(tx, cli.workspaceId, rules),
  );
  if (people.length === 0) cli.out.say('Nobody is in it.');
  for (const person of people) cli.out.say([person.email, person.name].filter(Boolean).join('  '));
  cli.out.result({ contacts: people });
  return EXIT.ok;
}

async function why(cli: Cli, name: string, email: string): Promise<ExitCode> {
  const { isMember, sentence, conditions } = await ofSegment(cli, name, async (tx, { rules }) => {
    const contact = await findContactByEmail(tx, cli.workspaceId, email.trim().toLowerCase());
    const explained = contact && (await segments.explainMember(tx, cli.workspaceId, rules, contact.id));
    if (!explained) throw usageError(`There is no contact ${email} in this workspace.`);
    return explained;
  });
  cli.out.say(`${email} is ${isMember ? '' : 'not '}in "${name}": ${sentence}`);
  const rows = conditions.map(({ sentence: text, held, value }) => [
    held ? 'yes' : 'no',
    text,
    value === null ? 'has nothing there' : `has ${JSON.stringify(value)}`,
  ]);
  cli.out.say(table(rows));
  cli.out.result({ is_member: isMember, sentence, conditions });
  return EXIT.ok;
}

function ofSegment<T>(
  cli: Cli,
  name: string,
  work: (tx: Tx, segment: segments.Segment) => Promise<T>,
): Promise<T> {
  return inWorkspace(cli, async (tx) =>
    work(tx, await segments.findSegmentByName(tx, cli.workspaceId, name)),
  );
}

function inWorkspace<T>(cli: Cli, work: (tx: Tx) => Promise<T>): Promise<T> {
  return withDatabase(cli, (database) => database.readWorkspace(cli.workspaceId, work));
}
