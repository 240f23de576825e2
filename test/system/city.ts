/**
 * `npm run test:city`: a campaign straight to the mailbox providers of the test city, some of them sick, held against the
 * books of the providers themselves; then once more to the healthy ones alone, to see that the sick held nobody up.
 *
 *   --recipients N    of the whole city
 *   --workers N
 *   --seed N          of who is where and who meets which fate
 *   --json            the last line of standard output is one JSON object
 *
 * Progress goes to standard error. Exit code 1 when anybody was lost, got it twice, or a limit was broken.
 */
import { parseArgs } from 'node:util';
import { PROVIDERS } from '../city/providers.ts';
import { type CityRunResult, runCity } from './city-run.ts';

const CONNECTIONS = 200;
/** The black hole is waited for: 60 s for a greeting, and then this age. */
const GIVE_UP_SECONDS = 60;
const SECONDS_MAX = 900;
const SPEED = 10;
const SICK = new Set(['tarpit', 'black-hole', 'cut-after-dot', 'slow-answer']);
const BLACK_HOLE = 'black-hole';

const { values: flags } = parseArgs({
  options: {
    recipients: { type: 'string', default: '50000' },
    workers: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    json: { type: 'boolean', default: false },
  },
});
const [recipients, workers, seed] = [Number(flags.recipients), Number(flags.workers), Number(flags.seed)];

say(`seed ${seed}: the same seed makes the same city`);
const names = PROVIDERS.map(({ name }) => name);
const whole = await run('the whole city', names, recipients);
const healthyDomains = new Set(
  PROVIDERS.filter(({ name }) => !SICK.has(name)).flatMap(({ domains }) =>
    domains.map(({ domain }) => domain),
  ),
);
const isHealthy = (email: string) => healthyDomains.has(email.slice(email.indexOf('@') + 1));
const healthy = await run(
  'the healthy providers alone',
  names.filter((name) => !SICK.has(name)),
  whole.recipients.filter(isHealthy),
);
report();

async function run(what: string, providers: string[], people: string[] | number): Promise<CityRunResult> {
  say(`— ${what}`);
  const result = await runCity({
    recipients: people,
    workers,
    connections: CONNECTIONS,
    giveUpSeconds: GIVE_UP_SECONDS,
    secondsMax: SECONDS_MAX,
    city: { seed, speed: SPEED, providers },
    say,
  });
  for (const provider of result.providers) say(`  ${JSON.stringify(provider)}`);
  for (const crash of result.crashes) say(`  a worker crashed: ${crash}`);
  return result;
}

function report(): void {
  const sum = (of: (result: CityRunResult) => number) => of(whole) + of(healthy);
  const broken = ({ providers }: CityRunResult) => providers.reduce((n, one) => n + one.limits_broken, 0);
  const hole = whole.providers.find(({ provider }) => provider === BLACK_HOLE);
  const totals = {
    recipients,
    providers: names.length,
    workers,
    seed,
    lost: sum((result) => result.lost),
    duplicates: sum((result) => result.duplicates),
    denied: sum((result) => result.denied),
    unfinished: sum((result) => result.unfinished),
    limits_broken: sum(broken),
    uncertain: whole.states.uncertain ?? 0,
    healthy_ratio: Number((healthyRate(whole) / healthyRate(healthy)).toFixed(3)),
    healthy_per_s: Number(healthyRate(whole).toFixed(1)),
    black_hole_connections_max: hole?.connections_max ?? 0,
    black_hole_connections_cap: PROVIDERS.find(({ name }) => name === BLACK_HOLE)?.limits.connections ?? 0,
    states: whole.states,
    crashes: sum((result) => result.crashes.length),
    seconds: Math.round(whole.seconds),
  };
  if (flags.json) process.stdout.write(`${JSON.stringify(totals)}\n`);
  else
    for (const [name, value] of Object.entries(totals))
      process.stdout.write(`${name}: ${JSON.stringify(value)}\n`);
  const { lost, duplicates, denied, unfinished, limits_broken, crashes } = totals;
  process.exitCode = lost + duplicates + denied + unfinished + limits_broken + crashes === 0 ? 0 : 1;
}

/** Messages a second that the healthy providers took, until they had nearly all of theirs. */
function healthyRate({ records }: CityRunResult): number {
  const times = records
    .filter(({ accepted, recipient }) => accepted && isHealthy(recipient))
    .map(({ atMs }) => atMs)
    .sort((a, b) => a - b);
  const last = Math.floor(times.length * 0.98) - 1;
  return (1_000 * last) / ((times[last] ?? 0) - (times[0] ?? 0));
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
