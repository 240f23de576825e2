import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { simpleParser } from 'mailparser';
import { Scope } from '../kernel/scope.ts';
import { openConnection, type SmtpConnection } from '../smtp/connection.ts';
import type { SendResult } from '../smtp/transaction.ts';
import { parseSmtpUrl } from '../smtp/url.ts';
import { Dice, FAILURE_KINDS } from './failures.ts';
import { type Sandbox, startSandbox } from './sandbox.ts';

const SEED = 7;

let dataDir: string;
let sandbox: Sandbox;
let scope: Scope;
let relay: SmtpConnection;

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'camp-sandbox-'));
});
beforeEach(async () => {
  scope = Scope.root('sandbox test');
  sandbox = await startSandbox({ dataDir, seed: SEED });
  relay = await connection();
});
afterEach(async () => {
  scope.cancel();
  await sandbox.stop();
});
after(() => rm(dataDir, { recursive: true }));

test('about three of a hundred recipients meet a failure, each kind as often as it is said', () => {
  const dice = new Dice(SEED);
  const counts = Object.fromEntries(FAILURE_KINDS.map((kind) => [kind, 0]));
  for (let i = 0; i < 100_000; i++)
    for (const kind of [dice.rollRecipient(`reader${i}@sandbox.example`), dice.rollMail()])
      if (kind) counts[kind] = (counts[kind] ?? 0) + 1;
  const expected = {
    unknownUser: 1000,
    mailboxFull: 700,
    slowDown: 500,
    cutBeforeDot: 400,
    slowReply: 400,
    cutAfterDot: 30,
  };
  for (const [kind, count] of Object.entries(expected))
    assert.ok(Math.abs((counts[kind] ?? 0) - count) < 4 * Math.sqrt(count), `${kind}: ${counts[kind]}`);
});

test('an unknown user is refused each time, a full mailbox takes the message at the third attempt', async () => {
  const [nobody, full] = [meeting('unknownUser'), meeting('mailboxFull')];
  assert.deepEqual(await codes(nobody, 3), [550, 550, 550]);
  assert.deepEqual(await codes(full, 3), [452, 452, 250]);
  const { accepted, byFailure } = await sandbox.report();
  assert.equal(accepted, 1);
  assert.partialDeepStrictEqual(byFailure, { unknownUser: 3, mailboxFull: 2 });
});

test('a connection that is cut before the dot leaves no doubt, and the next attempt succeeds', async () => {
  const recipient = meeting('cutBeforeDot');
  assert.partialDeepStrictEqual(await send(recipient), { kind: 'lost', dotSent: false });
  relay = await connection();
  assert.deepEqual(await codes(recipient, 1), [250]);
});

test('of messages that are cut after the dot some were accepted and some were not', async () => {
  for (const recipient of all('cutAfterDot', 8)) {
    assert.partialDeepStrictEqual(await send(recipient), { kind: 'lost', dotSent: true });
    relay = await connection();
  }
  const { accepted } = await sandbox.report();
  assert.ok(accepted > 0 && accepted < 8, `${accepted} of 8`);
});

test('now and then the sandbox asks to slow down and ends the connection', async () => {
  const results: SendResult[] = [];
  while (results.at(-1)?.kind !== 'lost') results.push(await send('steady@sandbox.example'));
  const last = results.at(-1);
  assert.equal(last?.kind === 'lost' && last.reply?.code, 421);
  assert.equal(relay.usable, false);
});

test('the last messages can be opened as files, and a message that comes again is counted as a duplicate', async () => {
  await send('ada@sandbox.example', 'Grüße');
  await send('ada@sandbox.example', 'Grüße');
  await send('bob@sandbox.example');
  assert.partialDeepStrictEqual(await sandbox.report(), {
    accepted: 3,
    acceptedDistinctRecipients: 2,
    duplicates: 1,
  });
  await sandbox.stop();
  const names = (await readdir(sandbox.folder)).sort();
  const mail = await simpleParser(await readFile(join(sandbox.folder, names[0] ?? '')));
  assert.equal(mail.text, 'Hello Grüße\n');
});

test('a port that is taken is said in one sentence', async () => {
  const { port } = new URL(sandbox.smtpUrl);
  await assert.rejects(
    startSandbox({ dataDir, port: Number(port) }),
    /^Error: The sandbox mail server cannot start: .*EADDRINUSE/,
  );
});

test('the sandbox ends when the process that started it is killed', async () => {
  const program = `import { startSandbox } from ${JSON.stringify(join(import.meta.dirname, 'sandbox.ts'))};
    console.log((await startSandbox({ dataDir: ${JSON.stringify(dataDir)} })).smtpUrl);`;
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', program]);
  const [url] = await once(parent.stdout, 'data');
  const { hostname, port } = new URL(String(url).trim());
  const witness = connect({ host: hostname, port: Number(port) });
  await once(witness, 'connect');
  witness.resume();
  parent.kill('SIGKILL');
  await once(witness, 'close');
});

/** A recipient for whom the seed has this failure in store. */
function meeting(kind: string): string {
  return all(kind, 1)[0] ?? '';
}

function all(kind: string, count: number): string[] {
  const dice = new Dice(SEED);
  const found: string[] = [];
  for (let i = 0; found.length < count; i++) {
    const address = `reader${i}@sandbox.example`;
    if (dice.rollRecipient(address) === kind) found.push(address);
  }
  return found;
}

async function codes(recipient: string, attempts: number): Promise<unknown[]> {
  const found: unknown[] = [];
  while (found.length < attempts) {
    const result = await send(recipient);
    found.push('reply' in result ? result.reply?.code : result.kind);
  }
  return found;
}

function send(to: string, name = 'you'): Promise<SendResult> {
  const header = `Message-ID: <${to}>\r\nSubject: Hello\r\nContent-Type: text/plain; charset=utf-8\r\n`;
  const data = Buffer.from(`${header}\r\nHello ${name}\r\n`).toString('latin1');
  return relay.send({ from: 'camp@sandbox.example', to, data }, async () => true);
}

async function connection(): Promise<SmtpConnection> {
  const opened = await openConnection(scope, { ...parseSmtpUrl(sandbox.smtpUrl), heloName: 'test.example' });
  if (opened.kind !== 'open') throw new Error(JSON.stringify(opened));
  return opened.connection;
}
