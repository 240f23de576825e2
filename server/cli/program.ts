/** The command line: picks the command and says in one sentence when something went wrong. */
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { auditCommand } from './audit.ts';
import { campaignCommand } from './campaign.ts';
import type { GlobalOptions } from './cli.ts';
import { contactCommand } from './contact.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { domainCommand } from './domain.ts';
import { explain } from './errors.ts';
import { EXIT, EXIT_MEANINGS } from './exit-codes.ts';
import { importCommand } from './import.ts';
import { keyCommand } from './key.ts';
import { limitsCommand } from './limits.ts';
import { messageCommand } from './message.ts';
import { migrateCommand } from './migrate.ts';
import { createOutput } from './output.ts';
import { passwordLinkCommand } from './password-link.ts';
import { paymentCommand } from './payment.ts';
import { relayCommand } from './relay.ts';
import { repliesCommand } from './replies.ts';
import { routeCommand } from './route.ts';
import { segmentCommand } from './segment.ts';
import { sellerCommand } from './seller.ts';
import { sourceCommand } from './source.ts';
import { ssoCommand } from './sso.ts';
import { startCommand } from './start.ts';
import { suppressionCommand } from './suppression.ts';
import { templateCommand } from './template.ts';
import { webCommand } from './web.ts';
import { workerCommand } from './worker-command.ts';

const COMMANDS = [
  demoCommand,
  startCommand,
  workerCommand,
  webCommand,
  migrateCommand,
  importCommand,
  contactCommand,
  segmentCommand,
  suppressionCommand,
  templateCommand,
  campaignCommand,
  messageCommand,
  domainCommand,
  relayCommand,
  routeCommand,
  sourceCommand,
  repliesCommand,
  limitsCommand,
  keyCommand,
  ssoCommand,
  passwordLinkCommand,
  auditCommand,
  sellerCommand,
  paymentCommand,
  doctorCommand,
];

export async function runCommandLine(): Promise<void> {
  const program = createProgram();
  // A reader that has seen enough (`camp … | head`) is no error.
  process.stdout.on('error', () => process.exit(EXIT.ok));
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = report(error, program.opts());
  }
  // Whatever a library may have left open must not keep the command from ending.
  process.stdout.write('', () => process.exit());
}

export function createProgram(): Command {
  const root = new Command('camp')
    .description(packageJson.description)
    .version(packageJson.version)
    .option('--json', 'one JSON object as the last line of standard output; all else to standard error')
    .option('--database-url <url>', 'instead of DATABASE_URL')
    .option('--smtp-url <url>', 'instead of SMTP_URL')
    .option('--data-dir <folder>', 'instead of CAMP_DATA_DIR')
    .option('--workspace <id>', 'another workspace than the default one')
    .addHelpText('after', helpAfter)
    .exitOverride();
  for (const addTo of COMMANDS) addTo(root);
  return root;
}

function helpAfter(): string {
  const codes = Object.entries(EXIT).map(
    ([name, code]) => `  ${String(code).padEnd(4)} ${EXIT_MEANINGS[name as keyof typeof EXIT]}`,
  );
  return `
Exit codes:
${codes.join('\n')}

Settings come from the environment as well: see docs/configuration.md.`;
}

function report(error: unknown, { json, databaseUrl }: GlobalOptions): number {
  const out = createOutput(json === true);
  if (error instanceof CommanderError) {
    // Commander has said it already, on standard error.
    if (error.exitCode === 0) return EXIT.ok;
    out.result({ error: error.message.replace(/^error: /, ''), exit_code: EXIT.usage });
    return EXIT.usage;
  }
  const { sentence, exitCode } = explain(error, databaseUrl ?? process.env.DATABASE_URL);
  process.stderr.write(`${sentence}\n`);
  out.result({ error: sentence, exit_code: exitCode });
  return exitCode;
}
