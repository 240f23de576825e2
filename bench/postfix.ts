/**
 * Postfix' test tools, the yardstick: `smtp-source` sends as fast as C can, `smtp-sink` takes all and keeps nothing.
 * Debian's package brings them; its daemon is never started.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { unavailable } from '../server/cli/errors.ts';
import type { Bench } from './bench.ts';

const SOURCE = '/usr/sbin/smtp-source';
const SINK = '/usr/sbin/smtp-sink';
/** Ends the program when our end of the pipe is closed, however that came about. */
const SUPERVISOR = '"$@" </dev/null & read -r _; kill $!; wait';
const SOURCE_SESSIONS = 10;
const BACKLOG = 256;
const START_MS_MAX = 5_000;
const LOOK_AGAIN_MS = 20;

const run = promisify(execFile);

export interface Sink {
  port: number;
  url: string;
}

/** Ends with the bench. */
export async function startSink(bench: Bench): Promise<Sink> {
  requirePostfix(bench);
  const port = await freePort();
  // It refuses to be root.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const command = [SINK, ...user, `127.0.0.1:${port}`, String(BACKLOG)];
  const child = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', ...command], {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  });
  const ended = once(child, 'exit');
  bench.resources.defer(async () => {
    child.stdin.end();
    await ended;
  });
  await untilListening(port);
  return { port, url: `smtp://127.0.0.1:${port}?tls=none` };
}

/** Messages a second of `smtp-source -d`: one connection for many messages, as everybody does it. */
export async function smtpSourceRate(
  bench: Bench,
  sink: Sink,
  mail: { bytes: number; messages: number },
): Promise<number> {
  const flags = ['-d', '-s', SOURCE_SESSIONS, '-l', mail.bytes, '-m', mail.messages].map(String);
  const addresses = ['-f', 'news@greenmill.example', '-t', 'person50000@example50.example'];
  const startedAt = performance.now();
  await run(SOURCE, [...flags, ...addresses, `127.0.0.1:${sink.port}`], { signal: bench.scope.signal });
  return (mail.messages / (performance.now() - startedAt)) * 1_000;
}

function requirePostfix(bench: Bench): void {
  if (isInstalled()) return;
  if (process.getuid?.() === 0) install(bench);
  if (!isInstalled())
    throw unavailable(
      'smtp-source and smtp-sink are not here: run `apt-get install postfix`, or measure a part that needs no mail server (--only import, freeze or claim).',
    );
}

function isInstalled(): boolean {
  return existsSync(SOURCE) && existsSync(SINK);
}

function install(bench: Bench): void {
  bench.say('Installing Debian’s package postfix, for smtp-source and smtp-sink; its daemon is not started.');
  // Runlevel 1 starts no service.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const options = { env, stdio: 'ignore' } as const;
  try {
    execFileSync('apt-get', ['-qq', 'update'], options);
    execFileSync('apt-get', ['-qq', '-y', '--no-install-recommends', 'install', 'postfix'], options);
  } catch {
    bench.say('apt-get could not install it.');
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

async function untilListening(port: number): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  for (;;) {
    const probe = connect(port, '127.0.0.1');
    const up = await new Promise<boolean>((resolve) => {
      probe.once('connect', () => resolve(true));
      probe.once('error', () => resolve(false));
    });
    probe.destroy();
    if (up) return;
    if (performance.now() > deadline) throw new Error(`smtp-sink does not listen on port ${port}.`);
    await sleep(LOOK_AGAIN_MS);
  }
}
