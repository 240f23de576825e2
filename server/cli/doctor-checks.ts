/** What `camp doctor` looks at, one function a subject; each says what it found, and what to do when that is bad. */
import type { Database } from '../kernel/database.ts';
import { pendingMigrations } from '../kernel/migrate.ts';
import { Scope } from '../kernel/scope.ts';
import { placeOf, tryRelay } from '../senders/try-relay.ts';
import { parseSmtpUrl } from '../smtp/url.ts';
import { plural } from './output.ts';
import { campRoles, type RoleFact, type ServerFacts, serverFacts } from './queries.ts';

export interface Finding {
  check: string;
  verdict: 'ok' | 'warn' | 'fail';
  /** What was found, and unless it is well, what to do. */
  detail: string;
}

const NODE_MAJOR_MIN = 26;
const POSTGRES_MAJOR_MIN = 15;
const POSTGRES_MAJOR_MAX = 18;
const RELAY_MS_MAX = 10_000;
const ROLES = ['camp_app', 'camp_system'];

export function checkNode(): Finding {
  const { node } = process.versions;
  const isOld = Number(node.split('.', 1)[0]) < NODE_MAJOR_MIN;
  return finding(
    'Node',
    isOld ? 'fail' : 'ok',
    isOld ? `${node}; Camp needs ${NODE_MAJOR_MIN}: run \`npm ci\`.` : node,
  );
}

/** Throws what the database says when it cannot be asked. */
export async function checkDatabase(database: Database): Promise<Finding[]> {
  const facts = await database.withOwner(serverFacts);
  const pending = await pendingMigrations(database);
  const roles = await database.withOwner(campRoles);
  return [
    checkVersion(facts),
    finding(
      'Migrations',
      pending.length > 0 ? 'fail' : 'ok',
      pending.length > 0
        ? `${plural(pending.length, 'migration')} to apply: run \`camp migrate\`.`
        : 'up to date',
    ),
    checkDurability(facts),
    facts.dataChecksums === 'on'
      ? finding('Checksums', 'ok', 'on')
      : finding('Checksums', 'warn', 'off: a damaged disk goes unnoticed; see pg_checksums --enable.'),
    ...(pending.length > 0 ? [] : [checkRoles(facts, roles)]),
  ];
}

function checkVersion({ versionNumber, inRecovery }: ServerFacts): Finding {
  const major = Math.floor(versionNumber / 10_000);
  const version = `${major}.${versionNumber % 10_000}`;
  if (inRecovery)
    return finding('Postgres', 'fail', `${version}, a standby: DATABASE_URL must name the primary.`);
  if (major < POSTGRES_MAJOR_MIN)
    return finding(
      'Postgres',
      'fail',
      `${version}: too old, Camp needs ${POSTGRES_MAJOR_MIN} to ${POSTGRES_MAJOR_MAX}.`,
    );
  if (major > POSTGRES_MAJOR_MAX)
    return finding('Postgres', 'warn', `${version}: newer than this version of Camp was tested with.`);
  return finding('Postgres', 'ok', version);
}

/** What Camp promises about crashes stands on these. `local` and the remote ones flush too. */
function checkDurability({ fsync, fullPageWrites, synchronousCommit }: ServerFacts): Finding {
  const settings = { fsync, full_page_writes: fullPageWrites, synchronous_commit: synchronousCommit };
  const off = Object.entries(settings).filter(([, value]) => value === 'off');
  if (off.length === 0)
    return finding('Durability', 'ok', Object.keys(settings).join(', ').concat(' are on'));
  const names = off.map(([name]) => name).join(' and ');
  return finding(
    'Durability',
    'fail',
    `${names} off: a crash may lose what Camp has sent, and it is sent again. Set on.`,
  );
}

function checkRoles({ user, userBypassesRls }: ServerFacts, roles: RoleFact[]): Finding {
  for (const role of ROLES) {
    const fact = roles.find((candidate) => candidate.role === role);
    if (!fact?.mayBeTaken)
      return finding('Roles', 'fail', `${user} may not take the role ${role}: GRANT ${role} TO ${user}.`);
    if (fact.bypassesRls)
      return finding(
        'Roles',
        'fail',
        `${role} sees past row-level security: ALTER ROLE ${role} NOSUPERUSER NOBYPASSRLS.`,
      );
  }
  if (userBypassesRls)
    return finding(
      'Roles',
      'warn',
      `${user} sees past row-level security: give Camp a user of its own, without BYPASSRLS.`,
    );
  return finding('Roles', 'ok', `${user}, bound by row-level security`);
}

/** Goes as far as a worker would before its first message: connection, EHLO, TLS, login. */
export async function checkRelay(smtpUrl: string, heloName: string, waitMs = RELAY_MS_MAX): Promise<Finding> {
  const relay = parseSmtpUrl(smtpUrl);
  await using scope = Scope.root('doctor', { deadlineMs: waitMs });
  const tried = await tryRelay(scope, relay, heloName);
  const place = placeOf(relay);
  return tried.kind === 'failed'
    ? finding('Relay', 'fail', `${place}: ${tried.failure}: correct SMTP_URL, or mend the way there.`)
    : finding('Relay', 'ok', `${place} answers${tried.loggedIn ? ' and lets us log in' : ''}`);
}

export function checkPublicUrl(publicUrl: string): Finding {
  const host = URL.parse(publicUrl)?.hostname ?? '';
  const isLocal = /^(localhost|127\.|\[::1\])/.test(host);
  return isLocal
    ? finding('Public URL', 'warn', `${publicUrl}: recipients cannot follow that; set CAMP_PUBLIC_URL.`)
    : finding('Public URL', 'ok', publicUrl);
}

export function finding(check: string, verdict: Finding['verdict'], detail: string): Finding {
  return { check, verdict, detail };
}
