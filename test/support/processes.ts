/**
 * Camp as an operator runs it: commands, and worker processes that a test may stop, continue and kill. A worker ends
 * with the test's own process, however that ends. A worker that ends without having been told to is kept in
 * `crashes`, with its last words.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(import.meta.dirname, '../..');
const LAST_WORDS_LINES = 30;

export interface InstallationOptions {
  databaseUrl: string;
  smtpUrl: string;
  /** Another copy of the program than this one. */
  root?: string;
  env?: Record<string, string>;
}

/** A line of a worker's log. */
export type LogLine = Record<string, unknown> & { event: string };

export class Installation {
  readonly workers = new Set<Worker>();
  readonly crashes: string[] = [];
  readonly #program: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor({ databaseUrl, smtpUrl, root = ROOT, env }: InstallationOptions) {
    this.#program = join(root, 'bin', 'camp');
    const settings = { DATABASE_URL: databaseUrl, SMTP_URL: smtpUrl, CAMP_LOG_LEVEL: 'info' };
    this.#env = { ...process.env, NODE_OPTIONS: '', ...settings, ...env };
  }

  /** Runs a command to its end and gives its --json result. Rejects with what it said when it fails. */
  async camp(...args: string[]): Promise<Record<string, unknown>> {
    const child = spawn(this.#program, [...args, '--json'], { env: this.#env });
    let [output, complaints] = ['', ''];
    child.stdout.on('data', (text) => {
      output += text;
    });
    child.stderr.on('data', (text) => {
      complaints += text;
    });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`camp ${args.join(' ')} ended with ${code}: ${complaints}`);
    return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
  }

  /** Resolves when the worker has begun to look for work. `env`: for this one. */
  async startWorker(connections: number, env: Record<string, string> = {}): Promise<Worker> {
    const child = spawn(this.#program, ['worker', '--connections', String(connections)], {
      env: { ...this.#env, ...env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const worker = new Worker(child);
    this.workers.add(worker);
    void worker.exited.then(({ crashed, lastWords }) => {
      this.workers.delete(worker);
      if (crashed) this.crashes.push(lastWords);
    });
    await Promise.race([worker.logged('worker_started'), worker.exited]);
    return worker;
  }

  /** Kills what still runs. */
  async stop(): Promise<void> {
    await Promise.all([...this.workers].map((worker) => worker.end('SIGKILL')));
  }
}

export interface WorkerEnd {
  code: number | null;
  /** It ended without having been told to, or not as it was told. */
  crashed: boolean;
  lastWords: string;
}

export class Worker {
  readonly pid: number;
  readonly exited: Promise<WorkerEnd>;
  readonly log: LogLine[] = [];
  readonly #child: ChildProcess;
  readonly #listeners: { event: string; hear: (line: LogLine) => void }[] = [];
  readonly #lastWords: string[] = [];
  #told: NodeJS.Signals | undefined;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.exited = once(child, 'close').then(([code, signal]) => ({
      code,
      crashed: this.#told === undefined || (this.#told === 'SIGTERM' ? code !== 0 : signal !== this.#told),
      lastWords: this.#lastWords.join('\n'),
    }));
    if (child.stderr) createInterface(child.stderr).on('line', (line) => this.#hear(line));
  }

  /** SIGSTOP and SIGCONT; for an end see `end`. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<WorkerEnd> {
    this.#told = signal;
    this.#child.kill(signal);
    return this.exited;
  }

  /** The next line with this event, or the first that was logged already. */
  logged(event: string): Promise<LogLine> {
    const found = this.log.find((line) => line.event === event);
    if (found) return Promise.resolve(found);
    return new Promise((hear) => this.#listeners.push({ event, hear }));
  }

  #hear(text: string): void {
    this.#lastWords.push(text);
    if (this.#lastWords.length > LAST_WORDS_LINES) this.#lastWords.shift();
    if (!text.startsWith('{')) return;
    const line: LogLine = JSON.parse(text);
    this.log.push(line);
    for (const listener of this.#listeners.filter(({ event }) => event === line.event)) {
      this.#listeners.splice(this.#listeners.indexOf(listener), 1);
      listener.hear(line);
    }
  }
}
