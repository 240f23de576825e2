/**
 * A copy of the program with a few places changed, to see what the change does: shorter waits for a test, or a bug on
 * purpose. A place that is not found exactly once stops the test: the program has moved on, and so must the change.
 */
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const COPIED = ['bin', 'scripts', 'server', 'migrations', 'package.json'];

export interface Change {
  file: string;
  find: string;
  replace: string;
}

/** Gives the root of the copy, for Installation. */
export async function changedCopy(folder: string, changes: Change[]): Promise<string> {
  const root = join(folder, 'program');
  await mkdir(root, { recursive: true });
  for (const name of COPIED) await cp(join(ROOT, name), join(root, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  for (const { file, find, replace } of changes) {
    const text = await readFile(join(root, file), 'utf8');
    const parts = text.split(find);
    if (parts.length !== 2)
      throw new Error(`${file} has this ${parts.length - 1} times instead of once:\n${find}`);
    await writeFile(join(root, file), parts.join(replace));
  }
  return root;
}

/** A worker that is gone is noticed within about two seconds instead of fifteen. */
export const SHORT_LEASE: Change[] = [
  { file: 'server/kernel/worker-session.ts', find: 'LEASE_MS = 12_000', replace: 'LEASE_MS = 1_500' },
  { file: 'server/kernel/worker-session.ts', find: 'RENEW_MS = 3_000', replace: 'RENEW_MS = 300' },
];
