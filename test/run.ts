/**
 * `npm test`: everything, on real parts, in named steps. Every step runs, also after one that failed (`--bail` stops
 * there); what failed is shown at once, and the last line adds up. `--only NAME` runs the steps whose name begins so.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inspect, parseArgs } from 'node:util';
import { command } from './steps/command.ts';
import { lackOfPgbouncer } from './steps/pgbouncer.ts';
import type { Step, StepResult } from './steps/step.ts';
import { tests } from './steps/tests.ts';

/** Tests that stand beside what they test. */
const PARTS = '{client,server,test/support,scripts,bench}/**/*.test.ts';
const PLANS = /[/-]plans\b[\w-]*\.test\.ts$/;
const COLORS = process.stdout.isTTY ? 'force' : 'off';

const STEPS: Step[] = [
  { name: 'types', run: () => command('tsc', '-p', '.') },
  {
    name: 'lint and format',
    run: () => command('biome', 'ci', '--error-on-warnings', `--colors=${COLORS}`, '.'),
  },
  { name: 'dead code', run: () => command('knip') },
  { name: 'checks', run: () => tests(files('test/checks/**/*.test.ts')) },
  { name: 'unit and integration', run: () => onOneServer(files(PARTS)) },
  { name: 'integration through PgBouncer', run: throughPgbouncer },
  { name: 'whole system', run: () => onOneServer(files('test/{system,crash,charges}/**/*.test.ts')) },
];

process.chdir(join(import.meta.dirname, '..'));
const { values: flags } = parseArgs({ options: { only: { type: 'string' }, bail: { type: 'boolean' } } });
process.exitCode = (await runSteps(STEPS.filter(({ name }) => name.startsWith(flags.only ?? '')))) ? 0 : 1;

async function runSteps(steps: Step[]): Promise<boolean> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const step of steps) {
    process.stdout.write(`${step.name.padEnd(32)} `);
    const startedAt = performance.now();
    const result = await step.run().catch(failedWith);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    console.log(`${seconds.padStart(6)} s  ${counted(result)}`);
    if (result.output) console.log(result.output.trimEnd());
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped += result.skipped;
    if (flags.bail && result.failed > 0) break;
  }
  console.log(`\n${counted(total)}`);
  return total.failed === 0 && total.passed > 0;
}

function failedWith(error: unknown): StepResult {
  return { passed: 0, failed: 1, skipped: 0, output: inspect(error) };
}

function counted({ passed, failed, skipped }: Omit<StepResult, 'output'>): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** Holds the test server, so that it does not stop and start between two files. */
async function onOneServer(paths: string[], env: Record<string, string> = {}): Promise<StepResult> {
  // Not imported at the top: what does not even parse is the types' step to tell.
  const { testServer } = await import('./support/database.ts');
  await testServer();
  return tests(paths, env);
}

/** The files that use a database, once more, with two connections for all. A plan is the same whoever carries it. */
async function throughPgbouncer(): Promise<StepResult> {
  const paths = files(PARTS).filter((path) => usesDatabase(path) && !PLANS.test(path));
  return lackOfPgbouncer() ?? onOneServer(paths, { CAMP_TEST_PGBOUNCER: '1' });
}

/** Directly or by way of another file of test/support. */
function usesDatabase(path: string): boolean {
  if (path.endsWith('test/support/database.ts')) return true;
  const imports = readFileSync(path, 'utf8').matchAll(/from '(\.[^']+)'/g);
  return [...imports]
    .map(([, specifier]) => join(dirname(path), specifier ?? ''))
    .filter((imported) => imported.startsWith('test/support/'))
    .some(usesDatabase);
}

function files(pattern: string): string[] {
  return globSync(pattern).sort();
}
