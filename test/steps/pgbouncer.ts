import { installPackage } from '../support/apt.ts';
import { isPgbouncerInstalled } from '../support/pgbouncer.ts';
import type { StepResult } from './step.ts';

/** Undefined when PgBouncer is there, if need be by installing it; else what the step has to report. */
export function lackOfPgbouncer(): StepResult | undefined {
  if (isPgbouncerInstalled() || (installPackage('pgbouncer') && isPgbouncerInstalled())) return undefined;
  const output =
    'PgBouncer is not installed: nothing was tested behind a pooler. Run `apt-get install pgbouncer`.\n';
  // Where nobody reads the output, a test that did not run must not look like one that passed.
  return process.env.CI
    ? { passed: 0, failed: 1, skipped: 0, output }
    : { passed: 0, failed: 0, skipped: 1, output };
}
