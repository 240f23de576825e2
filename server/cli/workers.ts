/**
 * The worker processes of `camp start` and `camp demo`, and the web server of `camp start`: started again when they end by themselves, drained when they
 * are no longer wanted. They notice when this process is gone, however it ended: their channel to it closes.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { type Backoff, backoffMs } from '../kernel/backoff.ts';

const RESTART: Backoff = { baseMs: 500, capMs: 30_000 };
/** A worker that lived so long was well: the next trouble is a new one. */
const WELL_AFTER_MS = 60_000;

export interface WorkersOptions {
  count: number;
  /** What the processes are: the command that they run. */
  role?: 'worker' | 'web';
  /** Added to our own environment. */
  env: Record<string, string>;
  /** Their logs; without one they go to standard error. */
  logFile?: string;
  /** Hears a sentence when one ended by itself. */
  say: (line: string) => void;
  /** Hears what one sends to its parent. */
  onMessage?: (message: unknown) => void;
}

export interface Workers {
  /** SIGTERM: they drain first. SIGKILL: they could not write down what they would finish. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

export function startWorkers(options: WorkersOptions): Workers {
  const stderr = options.logFile === undefined ? 'inherit' : openSync(options.logFile, 'w');
  const keepers = Array.from({ length: options.count }, (_, index) => new Keeper(index + 1, stderr, options));
  return {
    async stop(signal) {
      await Promise.all(keepers.map((keeper) => keeper.stop(signal)));
    },
  };
}

class Keeper {
  readonly #number: number;
  readonly #stderr: 'inherit' | number;
  readonly #options: WorkersOptions;
  #child: ChildProcess;
  #stopping = false;
  #failures = 0;
  #restart: NodeJS.Timeout | undefined;

  constructor(number: number, stderr: 'inherit' | number, options: WorkersOptions) {
    this.#number = number;
    this.#stderr = stderr;
    this.#options = options;
    this.#child = this.#start();
  }
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    if (hasEnded(this.#child)) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    await ended;
  }

  #start(): ChildProcess {
    const startedAt = performance.now();
    const { role = 'worker', onMessage = () => {} } = this.#options;
    const child = fork(join(import.meta.dirname, 'main.ts'), [role], {
      env: { ...process.env, ...this.#options.env },
      stdio: ['ignore', 'ignore', this.#stderr, 'ipc'],
    });
    child.on('message', onMessage);
    child.once('exit', (code, signal) => {
      if (!this.#stopping) this.#startAgain(signal ?? `code ${code}`, performance.now() - startedAt);
    });
    return child;
  }

  #startAgain(why: string, livedMs: number): void {
    this.#failures = livedMs > WELL_AFTER_MS ? 1 : this.#failures + 1;
    const { say, logFile, role } = this.#options;
    const name = role === 'web' ? 'The web server' : `Worker ${this.#number}`;
    const where = logFile === undefined ? '' : `; its log is ${logFile}`;
    say(`  ${name} ended (${why}) and is started again${where}.`);
    this.#restart = setTimeout(
      () => {
        this.#child = this.#start();
      },
      backoffMs(this.#failures, RESTART),
    );
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
