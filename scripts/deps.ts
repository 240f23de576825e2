/**
 * `npm run deps -- NAME[@VERSION] [--save-dev]`: npm's install on the Node that we run. npm on an older Node quietly
 * picks older majors of packages that ask for a newer one.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';

const npm = realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim());
const { status } = spawnSync(process.execPath, [npm, 'install', '--save-exact', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
