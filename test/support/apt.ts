/** Debian's packages, for programs that a test needs and npm does not have. */
import { execFileSync } from 'node:child_process';

/** False: not root, no Debian, or no network. */
export function installPackage(name: string): boolean {
  if (process.getuid?.() !== 0) return false;
  process.stdout.write(`(installing Debian’s package ${name}) `);
  const options = ['-qq', '-o', 'Acquire::http::Timeout=20', '-o', 'Acquire::Retries=1'];
  // A package may start a service of its own, which nobody needs; runlevel 1 starts none.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  try {
    execFileSync('apt-get', [...options, 'update'], { env, stdio: 'ignore' });
    execFileSync('apt-get', [...options, '-y', '--no-install-recommends', 'install', name], {
      env,
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}
