import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { StepResult } from './step.ts';

/** One tool of node_modules; it passes when it exits with 0. */
export async function command(tool: string, ...args: string[]): Promise<StepResult> {
  const child = spawn(`node_modules/.bin/${tool}`, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  const [code] = await once(child, 'close');
  return code === 0
    ? { passed: 1, failed: 0, skipped: 0, output: '' }
    : { passed: 0, failed: 1, skipped: 0, output };
}
