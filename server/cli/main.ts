/**
 * The entry of `camp`. It only sees to it that code which was read once is read faster the next time: the cache lies
 * beside the packages, where nobody may write who may not change the code itself, and is not missed when it cannot be
 * written.
 */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/camp'));
const { runCommandLine } = await import('./program.ts');
await runCommandLine();
