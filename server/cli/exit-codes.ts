/** How a command ends, for scripts. docs/cli.md and `camp --help` are made from this table. */

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unconfirmed: 3,
  unavailable: 69,
  bug: 70,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'it was done',
  failed: 'it was tried and did not succeed',
  usage: 'the command line, or something that it names (a file, a list, a campaign), cannot be used',
  unconfirmed: 'a person has to say yes first: look at the list, then repeat it with --yes',
  unavailable: 'something that it needs is not there: the database, the relay, room on the disk',
  bug: 'a mistake in Camp itself; a stack trace is printed',
  interrupted: 'interrupted before the work was done',
};
