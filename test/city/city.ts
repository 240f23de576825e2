/**
 * A city of mailbox providers, for tests: SMTP servers that behave like the real ones, limits and moods included, each on a
 * loopback address of its own, and the name server that leads to them. It runs in a process of its own, outside whatever a
 * test kills, and imports nothing of the product: what it counts and writes down is what really happened.
 *
 * The addresses are 127.0.1.1 and on. Linux has them all; macOS wants an alias of lo0 for each.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Helper, startHelper } from '../support/helper-process.ts';
import { parseJsonLines } from '../support/json-lines.ts';
import { seededRandom } from '../support/random.ts';
import type { MessageRecord } from './ledger.ts';
import type { CityQuestion, CityReport, Plan } from './protocol.ts';
import type { ProviderReport } from './provider.ts';
import type { Change } from './provider-server.ts';
import { PROVIDERS, providerSpec } from './providers.ts';
import { atSpeed, type Manner, type ProviderSpec } from './spec.ts';
import type { ZoneRecord } from './zone.ts';

export interface CityOptions {
  /** Where the ledger is kept. */
  dir: string;
  seed?: number;
  /** Names, or specs of a test's own. All of PROVIDERS unless told. */
  providers?: readonly (string | ProviderSpec)[];
  /** How many times as fast the city lives: delays and greylisting, not limits. */
  speed?: number;
  /** Any that is free unless told. */
  mxPort?: number;
}

export interface CityDomain {
  domain: string;
  provider: string;
  /** Of all recipients, 0 to 1. */
  share: number;
}

export interface City {
  /** IP:PORT. */
  resolver: string;
  mxPort: number;
  seed: number;
  domains: CityDomain[];
  report(): Promise<ProviderReport[]>;
  /** All messages whose last dot arrived. */
  records(): Promise<MessageRecord[]>;
  /** How often each recipient's provider accepted something, answered or not. */
  acceptedOf(): Promise<Map<string, number>>;
  /** Changes how a provider behaves, from now or later, for good or until then (milliseconds from now). */
  control(
    provider: string,
    manner: Partial<Manner>,
    when?: Pick<Change, 'fromMs' | 'untilMs'>,
  ): Promise<void>;
  /** Sets DNS records; for each name and type they replace what was there. */
  setRecords(records: ZoneRecord[]): Promise<void>;
  stop(): Promise<void>;
}

const ADDRESSES_OF_A_NET = 250;
/** Of a provider with several domains. */
const FIRST_DOMAIN_SHARE = 0.8;

export async function startCity(options: CityOptions): Promise<City> {
  const { dir, seed = 1, providers = PROVIDERS, speed = 1, mxPort = 0 } = options;
  const specs = providers.map((one) => atSpeed(typeof one === 'string' ? providerSpec(one) : one, speed));
  const ledgerFile = join(dir, 'city.jsonl');
  const helper = startHelper<CityQuestion, CityReport>(join(import.meta.dirname, 'main.ts'));
  const placed = specs.map((spec, at) => ({ ...spec, address: addressOf(at) }));
  const opened = await openOrStop(helper, { seed, providers: placed, mxPort, ledgerFile });
  const report = async () => (await helper.ask({ kind: 'report' })).providers;
  const records = async () => {
    await report();
    return parseJsonLines<MessageRecord>(await readFile(ledgerFile, 'utf8'));
  };
  return {
    resolver: opened.resolver,
    mxPort: opened.mxPort,
    seed,
    domains: domainsOf(specs),
    report,
    records,
    acceptedOf: async () => countAccepted(await records()),
    async control(provider, manner, when = {}) {
      if (!specs.some(({ name }) => name === provider))
        throw new Error(`the city has no provider ${provider}`);
      await helper.ask({ kind: 'change', provider, change: { manner, ...when } });
    },
    async setRecords(zoneRecords) {
      await helper.ask({ kind: 'records', records: zoneRecords });
    },
    stop: () => helper.stop(),
  };
}

/** So many addresses, spread over the domains by their shares. The same city and count give the same addresses. */
export function cityRecipients({ domains, seed }: Pick<City, 'domains' | 'seed'>, count: number): string[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, at) => {
    const drawn = random();
    let end = 0;
    const chosen = domains.find(({ share }) => {
      end += share;
      return drawn < end;
    });
    return `reader${at}@${(chosen ?? domains.at(-1))?.domain}`;
  });
}

async function openOrStop(helper: Helper<CityQuestion, CityReport>, plan: Plan): Promise<CityReport> {
  try {
    return await helper.ask({ kind: 'open', plan });
  } catch (error) {
    await helper.stop();
    throw error;
  }
}

function addressOf(at: number): string {
  return `127.0.${1 + Math.floor(at / ADDRESSES_OF_A_NET)}.${1 + (at % ADDRESSES_OF_A_NET)}`;
}

function domainsOf(specs: readonly ProviderSpec[]): CityDomain[] {
  const total = specs.reduce((sum, { weight }) => sum + weight, 0);
  return specs.flatMap(({ name, weight, domains }) =>
    domains.map(({ domain }, at) => {
      const others = (1 - FIRST_DOMAIN_SHARE) / (domains.length - 1);
      const within = domains.length === 1 ? 1 : at === 0 ? FIRST_DOMAIN_SHARE : others;
      return { domain, provider: name, share: (weight / total) * within };
    }),
  );
}

function countAccepted(records: readonly MessageRecord[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { recipient, accepted } of records)
    if (accepted) counts.set(recipient, (counts.get(recipient) ?? 0) + 1);
  return counts;
}
