/** Runs `bin/camp` as a person or a script would, and gives back what they would see. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const CAMP = join(import.meta.dirname, '../../bin/camp');

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  /** The last line of standard output, when that is JSON. */
  json: Record<string, unknown>;
}

/** `env` is all that Camp sees of the environment, beside PATH and HOME. */
export async function camp(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(CAMP, args, { env: bareEnv(env), stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = [gather(child.stdout), gather(child.stderr)];
  const [code] = await once(child, 'close');
  return { code, stdout: stdout(), stderr: stderr(), json: lastLine(stdout()) };
}

export interface Running {
  child: ChildProcess;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Resolves when a line that fits appears on either stream, or has appeared. */
  said(pattern: RegExp): Promise<string>;
}

/** A command that stays up. */
export function startCamp(args: string[], env: Record<string, string> = {}): Running {
  const child = spawn(CAMP, args, { env: bareEnv(env), stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on('line', (line) => {
      lines.push(line);
      for (const look of listeners) look();
    });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  return {
    child,
    ended,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = lines.find((line) => pattern.test(line));
          if (found === undefined) return;
          listeners.delete(look);
          resolve(found);
        };
        listeners.add(look);
        look();
        void ended.then(() =>
          reject(new Error(`camp ended without saying ${pattern}:\n${lines.join('\n')}`)),
        );
      }),
  };
}

function bareEnv(env: Record<string, string>): Record<string, string> {
  return { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env };
}

function gather(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

function lastLine(stdout: string): Record<string, unknown> {
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  return line.startsWith('{') ? JSON.parse(line) : {};
}
