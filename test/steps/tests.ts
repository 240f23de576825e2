/** Runs test files, each in a process of its own, and says only what went wrong. */
import { once } from 'node:events';
import { relative } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';
import type { StepResult } from './step.ts';

const CONCURRENCY = 2;
/** One test; and all files of a step together, for a process that its tests left hanging. */
const TEST_MS_MAX = 120_000;
const STEP_MS_MAX = 1_800_000;
const PRINTED_CHARACTERS_MAX = 4_000;

type TestsStream = ReturnType<typeof run>;

/** `env` is added to ours. No file at all is a failure: a check may not pass by seeing nothing. */
export async function tests(files: string[], env: Record<string, string> = {}): Promise<StepResult> {
  if (files.length === 0) return { passed: 0, failed: 1, skipped: 0, output: 'There is no such test file.' };
  const stream = run({
    files,
    concurrency: CONCURRENCY,
    timeout: TEST_MS_MAX,
    signal: AbortSignal.timeout(STEP_MS_MAX),
    env: { ...process.env, ...env },
  });
  return gather(stream);
}

async function gather(stream: TestsStream): Promise<StepResult> {
  const result: StepResult = { passed: 0, failed: 0, skipped: 0, output: '' };
  const printed = new Map<string, string>();
  const failedFiles = new Set<string>();
  stream.on('test:stdout', ({ file, message }) => printed.set(file, (printed.get(file) ?? '') + message));
  stream.on('test:stderr', ({ file, message }) => printed.set(file, (printed.get(file) ?? '') + message));
  stream.on('test:fail', ({ name, file, line, details: { error } }) => {
    failedFiles.add(file ?? '');
    if ('failureType' in error && error.failureType === 'subtestsFailed') return;
    result.output += `✖ ${name} (${relative('.', file ?? '')}:${line})\n${inspect(error.cause instanceof Error ? error.cause : error)}\n\n`;
  });
  stream.on('test:diagnostic', ({ file, message }) => {
    if (file !== undefined) result.output += `  ${message}\n`;
  });
  stream.on('test:summary', ({ file, success, counts }) => {
    if (file !== undefined) return;
    const { tests, passed, skipped, todo } = counts;
    const failed = tests - passed - skipped - todo;
    Object.assign(result, { passed, skipped, failed: success ? 0 : Math.max(1, failed) });
  });
  stream.resume();
  await once(stream, 'end');
  for (const file of failedFiles)
    if (printed.has(file))
      result.output += `${relative('.', file)} printed:\n${printed.get(file)?.slice(-PRINTED_CHARACTERS_MAX)}\n`;
  return result;
}
