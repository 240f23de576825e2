/** What every command gets: its output, the configuration (flags win over the environment) and the workspace. */
import type { Command } from 'commander';
import { type Config, readConfig } from '../kernel/config.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { usageError } from './errors.ts';
import type { ExitCode } from './exit-codes.ts';
import { createOutput, type Output } from './output.ts';

export interface Cli {
  readonly out: Output;
  readonly config: Config;
  readonly workspaceId: string;
}

export interface GlobalOptions {
  json?: boolean;
  databaseUrl?: string;
  smtpUrl?: string;
  dataDir?: string;
  workspace?: string;
  /** Of commands that run workers. */
  connections?: string;
  /** Of commands that serve the web. */
  port?: string;
  /** Of commands that ask the DNS. */
  resolver?: string;
}

/** Errors are thrown, and explained in main.ts. */
// biome-ignore lint/suspicious/noExplicitAny: commander hands over what the command's own definition says
export type Action = (cli: Cli, ...parameters: any[]) => Promise<ExitCode>;

/** Wraps an action for commander: `(cli, ...arguments, options)`. */
export function run(action: Action): (...parameters: unknown[]) => Promise<void> {
  return async (...parameters) => {
    const command = parameters.pop() as Command;
    process.exitCode = await action(createCli(command.optsWithGlobals()), ...parameters);
  };
}

function createCli(globals: GlobalOptions): Cli {
  const workspaceId = globals.workspace ?? DEFAULT_WORKSPACE_ID;
  return {
    out: createOutput(globals.json === true),
    config: readConfig(process.env, {
      databaseUrl: globals.databaseUrl,
      smtpUrl: globals.smtpUrl,
      dataDir: globals.dataDir,
      connections: globals.connections,
      resolver: globals.resolver,
      httpPort: globals.port,
    }),
    workspaceId: uuid(workspaceId, 'workspace id'),
  };
}

/** Throws a sentence when the text cannot be an id. */
export function uuid(text: string, what: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
  throw usageError(`"${text}" is not a ${what}: it looks like ${DEFAULT_WORKSPACE_ID}.`);
}
