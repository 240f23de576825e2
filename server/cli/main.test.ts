import assert from 'node:assert/strict';
import { test } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { camp } from '../../test/support/command-line.ts';
import { EXIT } from './exit-codes.ts';

const COMMANDS = [
  'demo',
  'start',
  'worker',
  'migrate',
  'import',
  'template',
  'campaign',
  'domain',
  'relay',
  'route',
  'source',
  'doctor',
];
const VERBS = ['create', 'list', 'send', 'status', 'pause', 'resume', 'cancel'];

test('the help names every command and every exit code', async () => {
  const { code, stdout } = await camp(['--help']);
  assert.equal(code, 0);
  for (const command of COMMANDS) assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
  for (const exitCode of Object.values(EXIT)) assert.match(stdout, new RegExp(`^  ${exitCode} +\\S`, 'm'));
});

test('the help of campaign names what can be done with one', async () => {
  const { code, stdout } = await camp(['campaign', '--help']);
  assert.equal(code, 0);
  for (const verb of VERBS) assert.match(stdout, new RegExp(`^  ${verb} `, 'm'));
});

test('--version prints the version and nothing else', async () => {
  const { code, stdout } = await camp(['--version']);
  assert.deepEqual({ code, stdout }, { code: 0, stdout: `${packageJson.version}\n` });
});

test('a mistyped command line is answered with what was wrong, and exit code 2', async () => {
  const cases: [args: string[], said: RegExp][] = [
    [['sned'], /unknown command 'sned'/],
    [['import', 'contacts.csv'], /--list/],
    [['import', '--list', 'News'], /missing required argument 'file'/],
    [['campaign', 'status', 'welcome'], /"welcome" is not a campaign id/],
    [['start', '--workers', 'two'], /--workers is "two"/],
    [['demo', '--recipients', '-5'], /--recipients/],
    [['migrate', '--workspace', 'mine'], /"mine" is not a workspace id/],
  ];
  for (const [args, said] of cases) {
    const { code, stdout, stderr } = await camp(args);
    assert.equal(code, EXIT.usage, args.join(' '));
    assert.match(stderr, said);
    assert.equal(stdout, '');
  }
});

test('a setting of the environment that cannot be read is named', async () => {
  const { code, stderr } = await camp(['doctor'], { CAMP_CONNECTIONS: 'many' });
  assert.equal(code, EXIT.usage);
  assert.match(stderr, /^CAMP_CONNECTIONS is "many", but must be a whole number from 1 to 1000\.$/m);
});

test('with --json an error is the last line of standard output, and its sentence is on standard error', async () => {
  for (const args of [['sned'], ['campaign', 'status', 'welcome'], ['import', 'x.csv']]) {
    const { code, json, stdout, stderr } = await camp([...args, '--json']);
    assert.equal(json.exit_code, code);
    assert.equal(stdout, `${JSON.stringify(json)}\n`);
    assert.ok(stderr.includes(String(json.error)), stderr);
  }
});
