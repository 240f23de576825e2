/** Processes of the installation under test: the web server, which may be armed to die at a fault point, and a worker. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const LAST_WORDS = 20;

export interface Program {
  /** A copy of the program, with shorter waits. */
  root: string;
  env: Record<string, string>;
}

export interface Api {
  url: string;
  /** The signal that ended it; its last words are printed when it ended by itself. */
  ended: Promise<NodeJS.Signals | null>;
  kill(): Promise<unknown>;
}

/** Resolves when it listens. `fault`: NAME:COUNT, as CAMP_FAULT_POINT has it. */
export async function startApi({ root, env }: Program, fault = ''): Promise<Api> {
  const child = start(root, ['web', '--port', '0'], { ...env, CAMP_FAULT_POINT: fault });
  const ended = endOf(child);
  const listening = once(child, 'message').then(([url]) => String(url));
  const url = await Promise.race([listening, ended.then(() => undefined)]);
  if (url === undefined) throw new Error('the web server ended before it listened');
  return {
    url,
    ended,
    kill() {
      child.kill('SIGKILL');
      return ended;
    },
  };
}

export function startWorker({ root, env }: Program): { stop(): Promise<unknown> } {
  const child = start(root, ['worker'], env);
  const ended = endOf(child);
  return {
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/** It ends with this process, however that ends: its channel closes. */
function start(root: string, args: string[], env: Record<string, string>): ChildProcess {
  return spawn(join(root, 'bin', 'camp'), args, {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
}

async function endOf(child: ChildProcess): Promise<NodeJS.Signals | null> {
  const words: string[] = [];
  if (child.stderr)
    createInterface(child.stderr).on('line', (line) => {
      words.push(line);
      if (words.length > LAST_WORDS) words.shift();
    });
  const [code, signal] = await once(child, 'close');
  if (signal === null && code !== 0)
    process.stderr.write(`a process ended with ${code}:\n${words.join('\n')}\n`);
  return signal;
}
