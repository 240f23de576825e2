/**
 * Fan-out: straight to the MX hosts of 200 sites, each of which answers a message after 50 ms and takes what a stranger
 * may send: 10 connections and 100 messages a second.
 *
 * The question is whether a worker holds up the sites. So every run of one worker is followed by one of two, to the same
 * sites with the same limits: what the second adds, the first was short of. Signing and TLS are not in it.
 */
import { defaultLimits } from '../server/smtp/providers.ts';
import { type City, startCity } from '../test/city/city.ts';
import { postfixTexts } from '../test/city/reply-texts.ts';
import type { ProviderSpec } from '../test/city/spec.ts';
import type { Bench, Report } from './bench.ts';
import { type CampRun, type Crew, sendToAll } from './camp-run.ts';
import { createDatabase } from './database.ts';
import { quantile, rounded } from './figures.ts';

const SITES = 200;
const ANSWER_MS = 50;
const ROUNDS = 3;
/** All sites' together: a worker is not to be held by its own number. */
const MX_CONNECTIONS = SITES * defaultLimits.connections;

interface Round {
  one: CampRun;
  two: CampRun;
}

export async function benchFanOut(bench: Bench): Promise<Report> {
  const city = await openCity(bench);
  await using made = await createDatabase(bench, bench.recipients, SITES);
  const run = (workers: number) => {
    bench.say(`${workers} worker${workers === 1 ? '' : 's'}`);
    return sendToAll(bench, made, bench.recipients, straightTo(city, workers));
  };
  bench.say('once before, so that the mail hosts of all domains are known');
  await run(1);
  const rounds: Round[] = [];
  while (rounds.length < ROUNDS) rounds.push({ one: await run(1), two: await run(2) });
  await requireLimitsKept(city);
  return report(rounds);
}

async function openCity(bench: Bench): Promise<City> {
  const providers = Array.from({ length: SITES }, (_, number) => site(number));
  const city = await startCity({ dir: bench.folder, providers });
  bench.resources.defer(() => city.stop());
  return city;
}

function site(number: number): ProviderSpec {
  const domain = `example${number}.example`;
  const host = `mx.${domain}`;
  return {
    name: domain,
    weight: 1,
    domains: [{ domain, mx: [[10, host]] }],
    host,
    banner: 'ESMTP Postfix',
    keywords: ['PIPELINING', 'SIZE 51200000', 'ENHANCEDSTATUSCODES', '8BITMIME'],
    limits: { ...defaultLimits, throttledAbovePerSecond: null, closesWhenFull: false },
    texts: postfixTexts,
    unknownUserAt: 'rcpt',
    greylistMs: 0,
    manner: { door: 'open', bannerMs: 0, byteMs: 0, answerMs: ANSWER_MS, shares: {}, cuts: {} },
  };
}

function straightTo(city: City, workers: number): Crew {
  return {
    workers,
    env: {
      CAMP_RESOLVER: city.resolver,
      CAMP_MX_PORT: String(city.mxPort),
      CAMP_MX_CONNECTIONS: String(MX_CONNECTIONS),
    },
  };
}

async function requireLimitsKept(city: City): Promise<void> {
  const broken = (await city.report()).filter(({ limits_broken }) => limits_broken > 0);
  if (broken.length > 0) throw new Error(`Limits were broken: ${JSON.stringify(broken[0])}.`);
}

/** All sites together: by their rate, or by their connections and how long each is busy with a message. */
function sitesLimitPerS(): number {
  const { connections, messagesPerSecond } = defaultLimits;
  return SITES * Math.min(messagesPerSecond ?? Infinity, connections * (1_000 / ANSWER_MS));
}

function report(rounds: Round[]): Report {
  const of = (value: (round: Round) => number) => quantile(rounds.map(value), 0.5);
  const json = {
    recipients: rounds[0]?.one.recipients ?? 0,
    fan_out_sites: SITES,
    fan_out_one_per_s: rounded(of(({ one }) => one.sendingPerS)),
    fan_out_two_per_s: rounded(of(({ two }) => two.sendingPerS)),
    fan_out_two_to_one: rounded(
      of(({ one, two }) => two.sendingPerS / one.sendingPerS),
      3,
    ),
    sites_limit_per_s: rounded(sitesLimitPerS()),
    worker_cpu: rounded(
      of(({ one }) => cpuShare(one)),
      2,
    ),
    worker_cpu_two: rounded(
      of(({ two }) => cpuShare(two)),
      2,
    ),
  };
  const table = [
    ['', 'messages/s', 'processors'],
    ['one worker', json.fan_out_one_per_s, json.worker_cpu],
    ['two workers', json.fan_out_two_per_s, json.worker_cpu_two],
    ['the sites, at most', json.sites_limit_per_s],
  ];
  return { table, json };
}

/** Of one processor, by all workers together. */
function cpuShare({ workerCpuMs, messagesPerS, recipients }: CampRun): number {
  return workerCpuMs / ((recipients / messagesPerS) * 1_000);
}
