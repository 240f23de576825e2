/** What the file system says, as a sentence. */

import type { Explanation } from './errors.ts';
import { EXIT } from './exit-codes.ts';

/** Undefined: not the file system's error. */
export function explainFileError(error: unknown): Explanation | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const path = 'path' in error ? String(error.path) : 'a file';
  switch (error.code) {
    case 'ENOENT':
      return { sentence: `There is no file ${path}.`, exitCode: EXIT.usage };
    case 'EISDIR':
      return {
        sentence: `${path === 'a file' ? 'That' : path} is a folder, not a file.`,
        exitCode: EXIT.usage,
      };
    case 'ENOTDIR':
    case 'EEXIST':
      return { sentence: `${path} cannot be made or read: a file is in its place.`, exitCode: EXIT.usage };
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return {
        sentence: `This user may not use ${path}: correct its owner, or choose another place.`,
        exitCode: EXIT.usage,
      };
    case 'ENOSPC':
    case 'EDQUOT':
      return { sentence: `The disk is full: there is no room for ${path}.`, exitCode: EXIT.unavailable };
    case 'EMFILE':
      return {
        sentence: 'This process may open too few files: raise `ulimit -n`.',
        exitCode: EXIT.unavailable,
      };
    default:
      return undefined;
  }
}
