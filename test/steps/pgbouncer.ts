import { execFileSync } from 'node:child_process';
import { isPgbouncerInstalled } from '../support/pgbouncer.ts';
import type { StepResult } from './step.ts';

/** Undefined when PgBouncer is there, if need be by installing it; else what the step has to report. */
export function lackOfPgbouncer(): StepResult | undefined {
  if (isPgbouncerInstalled() || install()) return undefined;
  const output =
    'PgBouncer is not installed: nothing was tested behind a pooler. Run `apt-get install pgbouncer`.\n';
  // Where nobody reads the output, a test that did not run must not look like one that passed.
  return process.env.CI
    ? { passed: 0, failed: 1, skipped: 0, output }
    : { passed: 0, failed: 0, skipped: 1, output };
}

function install(): boolean {
  if (process.getuid?.() !== 0) return false;
  process.stdout.write('(installing Debian’s package pgbouncer) ');
  const options = ['-qq', '-o', 'Acquire::http::Timeout=20', '-o', 'Acquire::Retries=1'];
  // The package would start a service of its own, which nobody needs; runlevel 1 starts none.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  try {
    execFileSync('apt-get', [...options, 'update'], { env, stdio: 'ignore' });
    execFileSync('apt-get', [...options, '-y', '--no-install-recommends', 'install', 'pgbouncer'], {
      env,
      stdio: 'ignore',
    });
  } catch {
    return false;
  }
  return isPgbouncerInstalled();
}
