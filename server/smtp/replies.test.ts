import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Classification, PHASES, type Phase } from './classification.ts';
import { classify, rules } from './replies.ts';
import { providerRules } from './replies-rules-providers.ts';
import { toldWaitMs } from './replies-wait.ts';
import { type Reply, readReply } from './reply.ts';

interface Said {
  phase: Phase;
  mxHost: string | null;
  line: string;
}

const found = (said: Said, deferrals?: number) =>
  classify(said.phase, parsed(said.line), said.mxHost, deferrals);

function rowsOf(file: string): (Said & { name: string })[] {
  const lines = readFileSync(join(import.meta.dirname, 'testdata', file), 'utf8').split('\n');
  return lines.flatMap((text) => {
    if (text === '' || text.startsWith('#')) return [];
    const [name = '', phase = '', host = '', ...rest] = text.split(' | ');
    return [{ name, phase: phase as Phase, mxHost: host === '-' ? null : host, line: rest.join(' | ') }];
  });
}

function parsed(line: string): Reply {
  const reply = readReply(line);
  assert.ok(reply, line);
  return reply;
}

const fixtures = rowsOf('replies.txt');

test('every row of the reply table has an example and a near miss, and a name of its own', () => {
  const named = (sign: string) =>
    [...new Set(fixtures.map(({ name }) => name))].flatMap((name) =>
      name.startsWith(sign) ? name.slice(2) : [],
    );
  const names = rules.map((row) => row.rule);
  assert.deepEqual(named('+').toSorted(), names.toSorted());
  assert.deepEqual(named('-').toSorted(), names.toSorted());
});

for (const { name, ...said } of fixtures)
  test(`${name.startsWith('+') ? 'decided' : 'not decided'} by ${name.slice(2)}: ${said.line}`, () => {
    assert.equal(found(said).rule === name.slice(2), name.startsWith('+'), found(said).rule);
  });

for (const { name, ...said } of rowsOf('replies-met.txt'))
  test(`a reply from the field leads where it should: ${said.line}`, () => {
    const { class: kind, fault, duration, action, rule } = found(said);
    assert.equal(`${kind} ${fault} ${duration} ${action.kind}`, name, rule);
  });

test('every provider is recognised: a row of its own is reached from one of its hosts', () => {
  for (const { rule, mx = [] } of providerRules) {
    for (const suffix of mx) assert.match(suffix, /^\.[a-z0-9.-]+[a-z]$/, rule);
    const hosts = fixtures.flatMap(({ name, mxHost }) => (name === `+ ${rule}` ? [`.${mxHost}`] : []));
    assert.ok(
      hosts.some((host) => mx.some((suffix) => host.endsWith(suffix))),
      rule,
    );
  }
});

test('what a provider says counts from its own hosts; through a relay only when nobody else speaks so', () => {
  for (const { name, ...said } of fixtures) {
    const row = providerRules.find(({ rule }) => name === `+ ${rule}`);
    if (!row) continue;
    assert.notEqual(found({ ...said, mxHost: 'mx.acme.example' }).rule, row.rule);
    assert.equal(found({ ...said, mxHost: null }).rule === row.rule, row.unmistakable === true, row.rule);
  }
});

test('a reply that a provider breaks into lines means what it means on one', () => {
  const line = '552-5.2.2 The recipient is out of storage space\n552 5.2.2 and inactive';
  assert.equal(found({ phase: 'rcpt', mxHost: null, line }).rule, 'recipient-inactive');
});

/** The words of every example, with every code, at every phase, from everybody. */
function everywhere(
  check: (found: Classification, phase: Phase, reply: Reply, mxHost: string | null) => void,
): void {
  for (const { line, mxHost: own } of fixtures)
    for (const mxHost of new Set([own, null, 'mx.acme.example']))
      for (const phase of PHASES)
        for (const code of [parsed(line).code, 421, 450, 550, 554]) {
          const reply = { ...parsed(line), code };
          check(classify(phase, reply, mxHost), phase, reply, mxHost);
        }
}

test('only a permanent fault of the recipient, who was named, suppresses', () => {
  everywhere(({ action, fault }, phase, { code, text }) => {
    if (!action.kind.startsWith('suppress')) return;
    assert.deepEqual(
      [fault, code >= 500, ['rcpt', 'data', 'dot'].includes(phase)],
      ['recipient', true, true],
      text,
    );
  });
});

test('what is said before a message is not about one, and before RCPT not about a recipient', () => {
  everywhere(({ fault, rule }, phase) => {
    if (!['rcpt', 'data', 'dot'].includes(phase)) assert.notEqual(fault, 'recipient', rule);
    if (!['mail', 'rcpt', 'data', 'dot'].includes(phase)) assert.notEqual(fault, 'content', rule);
  });
});

test('a 4xx never gives a message up', () => {
  everywhere(({ action, rule }, _, { code }) => {
    if (code < 500) assert.doesNotMatch(action.kind, /^(?:reject|suppress)/, rule);
  });
});

test('one small site holds no campaign, and only a relay is paused', () => {
  everywhere(({ action, rule }, _phase, _reply, mxHost) => {
    if (action.kind === 'pause-route') assert.equal(mxHost, null, rule);
    if (action.kind === 'hold-campaign') assert.notEqual(mxHost, 'mx.acme.example', rule);
  });
});

test('whatever bytes a server says, they mean something, and suppress nobody before they are known to', () => {
  const bytes = fc.record({
    code: fc.integer({ min: 200, max: 599 }),
    enhanced: fc.constant(null),
    text: fc.string({ unit: 'binary' }),
  });
  fc.assert(
    fc.property(fc.constantFrom(...PHASES), bytes, (phase, reply) => {
      assert.notEqual(classify(phase, reply).action.kind, 'suppress');
    }),
  );
});

test('an MX host is recognised in capitals and with a trailing dot', () => {
  const line = '550 5.7.1 This email has been rate limited.';
  for (const mxHost of ['ASPMX.L.GOOGLE.COM.', 'aspmx.l.google.com'])
    assert.equal(found({ phase: 'dot', mxHost, line }).rule, 'google-rate-limited-for-good');
  assert.notEqual(
    found({ phase: 'dot', mxHost: 'mx.notgoogle.com', line }).rule,
    'google-rate-limited-for-good',
  );
});

test('greylisting is answered by the schedule, or by what the reply says', () => {
  const said = { phase: 'rcpt', mxHost: 'mx.acme.example' } as const;
  const minutes = (line: string, deferrals: number) =>
    (found({ ...said, line }, deferrals).waitMs ?? 0) / 60_000;
  const silent = '451 4.7.1 Greylisted';
  assert.deepEqual(
    [0, 1, 2, 9].map((deferrals) => minutes(silent, deferrals)),
    [5, 10, 20, 20],
  );
  assert.equal(minutes('451 4.7.1 Greylisted, please try again in 120 seconds', 2), 2);
});

test('a wait that is told in words is heeded, for a day at most', () => {
  const told = {
    'please try again in 5 minutes': 300_000,
    'try again in 300 seconds': 300_000,
    'Please retry after 60s': 60_000,
    'please try again in five minutes': 300_000,
    'come back in 00:04:59': 299_000,
    'try again in an hour': 3_600_000,
    'wait 99999 hours': 86_400_000,
    'try again in 0 seconds': null,
    'within 3 business days': null,
    'try again later': null,
  };
  for (const [text, waitMs] of Object.entries(told)) assert.equal(toldWaitMs(text), waitMs, text);
  assert.equal(
    found({ phase: 'rcpt', mxHost: null, line: '550 5.1.1 unknown, wait 5 minutes' }).waitMs,
    null,
  );
});

test('no regular expression of the table was escaped twice', () => {
  for (const row of rules)
    for (const regex of [row.code, row.enhanced, row.text])
      assert.doesNotMatch(regex?.source ?? '', /\\\\/, row.rule);
});

/** The short one comes first: what grows exponentially shows there, and would not end with the long one. */
const ATTACK_CHARS = [120, 64 * 1024];
const ATTACK_MS_MAX = 50;

/** Over and over, and then something that does not fit, so that all that was matched is tried in every other way. */
const attacksOf = (unit: string) => ATTACK_CHARS.map((chars) => `${unit.repeat(chars / unit.length)}~x`);
const senseless = ['a', ' ', '<', '1 ', 'a '].flatMap(attacksOf);

/** Its own words, so that it is begun as often as can be. */
function attacksOn(pattern: RegExp): string[] {
  const words = [...new Set(pattern.source.match(/[a-z]{2,}/gi))];
  return [...senseless, ...words.flatMap((word) => [...attacksOf(word), ...attacksOf(`${word} `)])];
}

test('no pattern of the table thinks for long about a text made to make it', () => {
  for (const { rule, text } of rules)
    for (const attack of text ? attacksOn(text) : []) {
      const elapsedMs = timed(() => text?.test(attack));
      assert.ok(elapsedMs < ATTACK_MS_MAX, `${rule}: ${elapsedMs} ms for ${attack.slice(0, 20)}`);
    }
});

test('no reply makes the whole table think for long', () => {
  const words = new Set(rules.flatMap(({ text }) => (text ? attacksOn(text) : [])));
  for (const attack of [...words, ...['@', 'x@', '<a@'].flatMap(attacksOf)]) {
    const reply = { code: 450, enhanced: null, text: attack };
    assert.ok(timed(() => classify('rcpt', reply, 'mx.acme.example')) < ATTACK_MS_MAX, attack.slice(0, 20));
  }
});

/** The quickest of three, so that a pause of the machine is not taken for thinking. */
function timed(work: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3 && best >= ATTACK_MS_MAX; round += 1) {
    const start = performance.now();
    work();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}
