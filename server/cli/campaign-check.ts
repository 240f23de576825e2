/** `camp campaign check`: the checklist before a campaign is sent, and what the checklist is asked with. */
import type { ChecklistItem, Verdict } from '../campaigns/checked.ts';
import { checkBeforeSending, type Surroundings } from '../campaigns/checklist.ts';
import { workHere } from '../campaigns/template-work.ts';
import type { Database } from '../kernel/database.ts';
import { Scope } from '../kernel/scope.ts';
import { loadSecrets } from '../kernel/secrets.ts';
import { createResolver } from '../smtp/resolver.ts';
import { type Cli, uuid } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { type Output, styled } from './output.ts';

/** For questions to the DNS. */
const CHECK_MS_MAX = 20_000;

export async function check(cli: Cli, id: string): Promise<ExitCode> {
  const campaignId = uuid(id, 'campaign id');
  const { items, verdict, isRehearsal } = await withDatabase(cli, (database) =>
    withSurroundings(cli, database, (around) =>
      checkBeforeSending(around, { workspaceId: cli.workspaceId, campaignId }),
    ),
  );
  sayItems(cli.out, items);
  if (isRehearsal)
    cli.out.say('\nA rehearsal: every way out leads to a test server, so `send` asks nothing.');
  cli.out.result({ id: campaignId, verdict, rehearsal: isRehearsal, items });
  return verdict === 'red' && !isRehearsal ? EXIT.failed : EXIT.ok;
}

export async function withSurroundings<T>(
  cli: Cli,
  database: Database,
  work: (around: Surroundings) => Promise<T>,
): Promise<T> {
  await using scope = Scope.root('checklist', { deadlineMs: CHECK_MS_MAX });
  const { config } = cli;
  const secrets = await loadSecrets(database, config.secret);
  return await work({ scope, database, secrets, resolver: createResolver(config), config, work: workHere });
}

const MARKS: Record<Verdict, string> = { green: '✓', amber: '!', red: '✗' };
const STYLES = { green: 'green', amber: 'yellow', red: 'red' } as const;

export function sayItems(out: Output, items: readonly ChecklistItem[]): void {
  for (const { verdict, sentence, fix } of items) {
    out.say(`  ${styled(out, STYLES[verdict], MARKS[verdict])} ${sentence}`);
    if (fix !== null) out.say(`    ${fix}`);
  }
}
