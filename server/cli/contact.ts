/** `camp contact …`: one person, as the workspace knows them. */
import type { Command } from 'commander';
import { type ContactDetails, detailsOf } from '../audience/contacts.ts';
import { normaliseEmail } from '../audience/email.ts';
import { findContactByEmail } from '../audience/queries-contacts.ts';
import { type Cli, run } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { table } from './output.ts';

export function contactCommand(program: Command): void {
  const contact = program.command('contact').description('the people of the workspace');
  contact
    .command('show <email>')
    .description('who it is, the lists with their status, and whether the address gets mail')
    .action(run(show));
}

async function show(cli: Cli, text: string): Promise<ExitCode> {
  const { workspaceId, out } = cli;
  const address = normaliseEmail(text);
  if (address.kind === 'invalid') throw usageError(`"${text}" is no address, because ${address.reason}.`);
  const details = await withDatabase(cli, (database) =>
    database.readWorkspace(workspaceId, async (tx) => {
      const contact = await findContactByEmail(tx, workspaceId, address.email);
      return contact && detailsOf(tx, workspaceId, contact);
    }),
  );
  if (!details) throw usageError(`There is no contact with the address ${address.email}.`);
  out.say(table(describe(details), ''));
  const { id, email, name, attributes, tags, subscriptions, suppression } = details;
  const lists = subscriptions.map(({ listName, status }) => ({ list: listName, status }));
  out.result({ id, email, name, attributes, tags, lists, suppressed: suppression?.reason ?? null });
  return EXIT.ok;
}

function describe({ email, name, attributes, tags, subscriptions, suppression }: ContactDetails): string[][] {
  return [
    ['address', suppression ? `${email} (gets no mail: ${suppression.reason})` : email],
    ['name', name ?? ''],
    ...subscriptions.map(({ listName, status }) => [`list ${listName}`, status]),
    ['tags', tags.join(', ')],
    ...Object.entries(attributes).map(([key, value]) => [key, String(value)]),
  ];
}
