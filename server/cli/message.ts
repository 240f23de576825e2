/** `camp message …`: one message at a time, by the same functions as the API. */
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import type { Command } from 'commander';
import { audit } from '../accounts/audit.ts';
import { operator } from '../accounts/principal.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { normaliseEmail } from '../audience/email.ts';
import { OUT_OF_CREDITS } from '../billing/credits.ts';
import { queueMails, suppressionSentence } from '../billing/outgoing.ts';
import { SenderCheck } from '../campaigns/sender-check.ts';
import type { Database } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { loadSecrets } from '../kernel/secrets.ts';
import { messageIdOf, readMessageId } from '../queue/message-ids.ts';
import * as messages from '../queue/messages.ts';
import type { FoundMessage } from '../queue/queries-messages.ts';
import { MESSAGE_STATES } from '../queue/states.ts';
import { MailRefused, type TransactionalMail } from '../queue/transactional.ts';
import { collect, readChoice, readInteger, readSender } from './arguments.ts';
import { type Cli, run, uuid } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { table } from './output.ts';

const LIST_MAX = 200;

export function messageCommand(program: Command): void {
  const message = program.command('message').description('messages, one at a time');
  message
    .command('send')
    .description('send one to somebody, before all campaigns, and print its id')
    .requiredOption('--from <sender>', '"Acme Shop <shop@acme.example>"')
    .requiredOption('--to <recipient>', 'likewise')
    .requiredOption('--subject <text>', 'one line')
    .option('--text <file>', 'the plain text; - reads it from standard input')
    .option('--html <file>', 'the HTML')
    .option('--attach <file>', 'may be given several times', collect)
    .option('--reply-to <address>', 'where answers go')
    .action(run(send));
  message
    .command('list')
    .description('those of the newest campaigns first')
    .option('--to <address>', 'only those to this recipient')
    .option('--state <state>', MESSAGE_STATES.join(', '))
    .option('--campaign <id>', 'only those of this campaign')
    .option('--limit <n>', 'at most so many', '50')
    .action(run(list));
  message.command('show <id>').description('where it is, and all that happened to it').action(run(show));
  message.command('cancel <id>').description('call it back while it waits').action(run(cancel));
  message
    .command('retry <id>')
    .description('try one at once that waits for another try')
    .option('--accept-duplicate', 'also one that may have arrived: the recipient may get it twice')
    .action(run(retry));
}

interface SendOptions {
  from: string;
  to: string;
  subject: string;
  text?: string;
  html?: string;
  attach?: string[];
  replyTo?: string;
}

async function send(cli: Cli, options: SendOptions): Promise<ExitCode> {
  const mail = await mailOf(cli, options);
  const became = await withDatabase(cli, (database) => queue(cli, database, mail));
  switch (became?.kind) {
    case 'suppressed':
      throw usageError(suppressionSentence(became));
    case 'sender-refused':
      throw usageError(became.sentence);
    case 'queued': {
      const id = messageIdOf(became.key);
      cli.out.say(id);
      cli.out.result({ id, to: became.to });
      return EXIT.ok;
    }
    default:
      throw usageError(OUT_OF_CREDITS);
  }
}

async function mailOf({ workspaceId }: Cli, options: SendOptions): Promise<TransactionalMail> {
  const { from, to, subject, text, html, attach = [], replyTo } = options;
  return {
    workspaceId,
    queuedBy: 'operator cli',
    from: readSender(from, '--from'),
    to: readSender(to, '--to'),
    subject,
    attachments: await Promise.all(attach.map(attachment)),
    ...(text === undefined ? {} : { text: await readText(text) }),
    ...(html === undefined ? {} : { html: await readText(html) }),
    ...(replyTo === undefined ? {} : { replyTo: readSender(replyTo, '--reply-to').email }),
  };
}

function readText(file: string): Promise<string> {
  return file === '-' ? textOf(process.stdin) : readFile(file, 'utf8');
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.csv': 'text/csv',
  '.html': 'text/html',
  '.ics': 'text/calendar',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.txt': 'text/plain',
};

async function attachment(path: string) {
  const contentType = CONTENT_TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream';
  return { filename: basename(path), contentType, content: await readFile(path) };
}

async function queue({ config, workspaceId }: Cli, database: Database, mail: TransactionalMail) {
  if (workspaceId === DEFAULT_WORKSPACE_ID) await ensureWorkspace(database, workspaceId, 'Default');
  const senders = new SenderCheck(config, await loadSecrets(database, config.secret));
  const work = database.withWorkspace(workspaceId, (tx) =>
    queueMails(tx, { config, senders, workspaceId }, [mail]),
  );
  const [became] = await work.catch((error: unknown) => {
    throw error instanceof MailRefused ? usageError(error.message) : error;
  });
  return became;
}

interface ListOptions {
  to?: string;
  state?: string;
  campaign?: string;
  limit: string;
}

async function list(cli: Cli, options: ListOptions): Promise<ExitCode> {
  const limit = readInteger(options.limit, '--limit', 1, LIST_MAX);
  const search = {
    workspaceId: cli.workspaceId,
    email: options.to === undefined ? null : readAddress(options.to),
    state: options.state === undefined ? null : readChoice(options.state, '--state', MESSAGE_STATES),
    campaignId: options.campaign === undefined ? null : uuid(options.campaign, 'campaign id'),
    from: null,
    until: null,
  };
  const found = await withDatabase(cli, (database) =>
    database.readWorkspace(cli.workspaceId, async (tx) => {
      const all: FoundMessage[] = [];
      for (let after: messages.Search['after'] = null; all.length < limit; ) {
        const page = await messages.searchMessages(tx, { ...search, after }, limit - all.length);
        all.push(...page.messages);
        after = page.next;
        if (after === null) break;
      }
      return all;
    }),
  );
  if (found.length === 0) cli.out.say('There is no such message.');
  else cli.out.say(table(found.map((one) => [messageIdOf(one), one.email, one.state, dueOf(one)])));
  cli.out.result({ messages: found.map(jsonOf) });
  return EXIT.ok;
}

function readAddress(text: string): string {
  const address = normaliseEmail(text);
  if (address.kind === 'invalid')
    throw usageError(`--to "${text}" cannot be used, because ${address.reason}.`);
  return address.email;
}

function dueOf({ dueAt }: FoundMessage): string {
  return dueAt ? `next try ${dueAt.toISOString()}` : '';
}

async function show(cli: Cli, id: string): Promise<ExitCode> {
  const of = { workspaceId: cli.workspaceId, ...readId(id) };
  const message = await withDatabase(cli, (database) =>
    database.readWorkspace(cli.workspaceId, (tx) => messages.tellMessage(tx, of)),
  );
  if (!message) throw noSuchMessage(id);
  const { email, fromEmail, state, events } = message;
  cli.out.say(`From ${fromEmail} to ${email}. ${messages.STANDS[state]} ${dueOf(message)}`.trim());
  const rows = events.map(({ at, kind, mxHost, detail }) => [
    at.toISOString(),
    kind,
    mxHost ?? '',
    detail ?? '',
  ]);
  if (rows.length > 0) cli.out.say(table(rows));
  cli.out.result({ ...jsonOf(message), from: fromEmail, events });
  return EXIT.ok;
}

async function cancel(cli: Cli, id: string): Promise<ExitCode> {
  await change(cli, id, 'message.cancelled', (tx, of) => messages.cancelMessage(tx, of));
  cli.out.say('It is called back.');
  cli.out.result({ id, state: 'cancelled' });
  return EXIT.ok;
}

async function retry(
  cli: Cli,
  id: string,
  { acceptDuplicate = false }: { acceptDuplicate?: boolean },
): Promise<ExitCode> {
  await change(cli, id, 'message.retried', (tx, of) => messages.retryMessage(tx, of, acceptDuplicate));
  cli.out.say('It is tried now.');
  cli.out.result({ id });
  return EXIT.ok;
}

async function change(
  cli: Cli,
  id: string,
  action: string,
  work: (...parameters: Parameters<typeof messages.cancelMessage>) => Promise<messages.Changed>,
): Promise<void> {
  const { workspaceId } = cli;
  const of = { workspaceId, ...readId(id) };
  await withDatabase(cli, (database) =>
    database.withWorkspace(workspaceId, async (tx) => {
      const changed = await work(tx, of);
      if (changed.kind === 'not-found') throw noSuchMessage(id);
      if (changed.kind === 'refused') throw usageError(changed.sentence);
      const entry = { action, subject: `message/${id}`, before: { state: changed.from } };
      await audit(tx, operator(workspaceId), entry);
    }),
  );
}

function readId(text: string) {
  const key = readMessageId(text);
  if (!key) throw usageError(`"${text}" is not the id of a message: it has 43 letters, digits, - and _.`);
  return key;
}

function noSuchMessage(id: string): Error {
  return usageError(`There is no message ${id} in this workspace.`);
}

function jsonOf(message: FoundMessage): Record<string, unknown> {
  const { kind, campaignId, email, state, attempt, dueAt } = message;
  return {
    id: messageIdOf(message),
    kind,
    campaign_id: kind === 'campaign' ? campaignId : null,
    to: email,
    state,
    attempts: attempt,
    next_try_at: dueAt,
  };
}
