import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSources, type Source } from './sources.ts';

/** What may not stand in a workflow, one line at a time. */
const FORBIDDEN: [pattern: RegExp, why: string][] = [
  [/\bpull_request_target\b|\bworkflow_run\b/, 'runs with our rights on the code of others'],
  [/\buses: *actions\/cache\b|^\s*cache: /, 'shares a cache with untrusted code'],
  [/\bwrite-all\b|^\s*permissions: *read-all\b/, 'takes every right'],
  [/\bsecrets: *inherit\b/, 'hands on every secret'],
  [/\bself-hosted\b/, 'runs strangers’ code on a machine that stays'],
  [/GITHUB_ENV|GITHUB_PATH/, 'lets one step change the next'],
];

test('the workflows give away nothing', () => {
  assert.deepEqual(readSources('.github/workflows/*.{yml,yaml}').flatMap(objections), []);
});

test('a workflow that gives something away is found', () => {
  const [good] = readSources('.github/workflows/ci.yml');
  assert.ok(good);
  const worse: [from: string | RegExp, to: string][] = [
    [/^permissions: \{\}\n/m, ''],
    [/^permissions: \{\}/m, 'permissions: write-all'],
    ['  pull_request:', '  pull_request_target:'],
    ['  pull_request:', '  workflow_run:'],
    [/checkout@[0-9a-f]{40} # \S+/, 'checkout@v6'],
    [/checkout@[0-9a-f]{40}/, 'checkout@de0fac2'],
    [/(checkout@[0-9a-f]{40}) # \S+/, '$1'],
    ['          persist-credentials: false\n', ''],
    ['persist-credentials: false', 'persist-credentials: true'],
    ['run: .ci/run', `run: echo \${{ github.head_ref }}`],
    ['run: .ci/run', `run: |\n          true\n          echo \${{ github.head_ref }}`],
    ['run: .ci/run', `uses: actions/cache@${'a'.repeat(40)} # v4`],
    ['run: .ci/run', 'run: echo "PATH=." >> $GITHUB_ENV'],
    ['runs-on: ubuntu-24.04', 'runs-on: self-hosted'],
    [/^ {4}permissions:\n.*\n/m, ''],
    ['contents: read', 'contents: write'],
    ['    timeout-minutes: 20\n', ''],
  ];
  for (const [from, to] of worse) {
    const text = good.text.replace(from, to);
    assert.notEqual(text, good.text, `nothing was planted for ${from}`);
    assert.notDeepEqual(objections({ path: 'planted.yml', text }), [], `${from} → ${to}`);
  }
});

function objections({ path, text }: Source): string[] {
  const lines = text.split('\n').map((line) => line.replace(/^\s*#.*/, ''));
  const found = [
    ...lines.flatMap((line) =>
      FORBIDDEN.filter(([pattern]) => pattern.test(line)).map(([, why]) => `${line.trim()}: ${why}`),
    ),
    ...unpinnedActions(lines),
    ...(lines.includes('permissions: {}') ? [] : ['no `permissions: {}` at the top']),
    ...unsafeCheckouts(lines),
    ...expressionsInScripts(lines),
    ...unboundJobs(text),
  ];
  return found.map((objection) => `${path}: ${objection}`);
}

function unpinnedActions(lines: string[]): string[] {
  return lines
    .filter((line) => /\buses:/.test(line) && !/\buses: [\w./-]+@[0-9a-f]{40} # v\d\S*$/.test(line))
    .map((line) => `${line.trim()}: not pinned by a commit with its version in a comment`);
}

function unsafeCheckouts(lines: string[]): string[] {
  const checkouts = lines.filter((line) => /\buses: actions\/checkout@/.test(line)).length;
  const safe = lines.filter((line) => /^\s+persist-credentials: false$/.test(line)).length;
  return checkouts === safe ? [] : ['a checkout leaves its token behind: persist-credentials is not false'];
}

/** What a stranger can name (a branch, a title) must not become a part of a script. */
function expressionsInScripts(lines: string[]): string[] {
  let scriptIndent = Number.POSITIVE_INFINITY;
  return lines.flatMap((line) => {
    const indent = line.search(/[^\s-]/);
    if (indent >= 0 && indent <= scriptIndent)
      scriptIndent = /^\s*(?:- )?run:/.test(line) ? indent : Number.POSITIVE_INFINITY;
    return scriptIndent < Number.POSITIVE_INFINITY && line.includes('${{')
      ? [`${line.trim()}: an expression in a script`]
      : [];
  });
}

/** Each job names its rights, at most to read, and its time. */
function unboundJobs(text: string): string[] {
  const [, jobs = ''] = text.split(/^jobs:\n/m);
  const each = jobs.split(/^ {2}(?=\w)/m).filter((job) => job.trim());
  if (each.length === 0) return ['there is no job'];
  return each.flatMap((job) => {
    const name = job.split(':')[0];
    const rights = /^ {4}permissions:\n((?: {6}.*\n)+)/m.exec(job)?.[1]?.trim().split('\n') ?? [];
    const isModest =
      rights.length > 0 && rights.every((right) => /^\s*[\w-]+: (?:read|none)(?: # .+)?$/.test(right));
    return [
      ...(isModest ? [] : [`job ${name} does not name its rights, or may write`]),
      ...(/^ {4}timeout-minutes: \d+$/m.test(job) ? [] : [`job ${name} has no timeout-minutes`]),
    ];
  });
}
