/**
 * The sandbox mail server: where `camp demo` and `camp start` send when there is no relay yet. A real SMTP server in
 * a process of its own, on loopback only, that delivers nothing anywhere. About three of a hundred of its answers
 * are failures, so that retries, rejections and now and then an uncertain message are seen.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { nextMessage } from './child.ts';
import type { FromSandbox, SandboxReport } from './report.ts';

export type { SandboxReport } from './report.ts';

export interface SandboxOptions {
  /** The last messages that it accepted go to DATADIR/sandbox as .eml files. */
  dataDir: string;
  /** Without one, any free port. */
  port?: number;
  /** The same seed and audience meet the same failures. */
  seed?: number;
}

export interface Sandbox {
  smtpUrl: string;
  pid: number;
  /** Where the .eml files are. */
  folder: string;
  report(): Promise<SandboxReport>;
  /** Writes the last messages and ends the process. */
  stop(): Promise<void>;
}

const NAME = 'The sandbox mail server';

/** Throws when the port is taken or the folder cannot be written to. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const folder = join(resolve(options.dataDir), 'sandbox');
  const program = join(import.meta.dirname, 'main.ts');
  const child = fork(program, [folder, String(options.port ?? 0), String(options.seed ?? 1)], {
    execArgv: [],
  });
  const ended = once(child, 'exit');
  const first = await nextMessage<FromSandbox>(child, NAME);
  if (first.kind !== 'ready')
    throw new Error(`${NAME} cannot start: ${first.kind === 'failed' ? first.error : first.kind}`);
  return {
    smtpUrl: `smtp://127.0.0.1:${first.port}`,
    pid: child.pid ?? 0,
    folder,
    async report() {
      child.send('report');
      const told = await nextMessage<FromSandbox>(child, NAME);
      if (told.kind !== 'report') throw new Error(`the sandbox answered ${told.kind}`);
      return told.report;
    },
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
