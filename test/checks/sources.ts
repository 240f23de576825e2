import { globSync, readFileSync } from 'node:fs';

/** A file by its path from the root of the repository. */
export interface Source {
  path: string;
  text: string;
}

export function readSources(...patterns: string[]): Source[] {
  const paths = globSync(patterns, { exclude: ['**/node_modules/**', '**/testdata/**'] }).sort();
  if (paths.length === 0) throw new Error(`nothing to check: no file matches ${patterns.join(', ')}`);
  return paths.map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}
