/** What every part of the bench shares: a Postgres of its own on a real disk, and the end of all that was started. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../server/kernel/embedded-postgres.ts';
import type { Scope } from '../server/kernel/scope.ts';

/** Not /tmp: on many machines that is memory, and a commit would cost nothing. */
const FOLDER = '/var/tmp/camp-bench-';

export interface Bench {
  /** Of the main size; the parts derive theirs from it. */
  recipients: number;
  folder: string;
  postgres: EmbeddedPostgres;
  /** Ended by Ctrl-C. */
  scope: Scope;
  /** What is to be ended when the bench ends, however it ends. */
  resources: AsyncDisposableStack;
  /** To the person who waits. */
  say(line: string): void;
}

/** At and above this many recipients every part has its full size; below it all of them shrink alike. */
export const RECIPIENTS = 100_000;

/** `full` rows, or fewer in a bench that is made smaller. */
export function scaled({ recipients }: Pick<Bench, 'recipients'>, full: number): number {
  return Math.round(full * Math.min(1, recipients / RECIPIENTS));
}

/** One part's results: a table for people, and the same for scripts. */
export interface Report {
  table: (string | number)[][];
  json: Record<string, unknown>;
}

export async function startBench(
  options: Pick<Bench, 'recipients' | 'scope' | 'resources' | 'say'>,
): Promise<Bench> {
  const { resources, say } = options;
  const folder = await mkdtemp(FOLDER);
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  // Postgres is another user when we are root.
  await chmod(folder, 0o755);
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres'), log: say });
  resources.defer(() => postgres.stop());
  return { ...options, folder, postgres };
}
