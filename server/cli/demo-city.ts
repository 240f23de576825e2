/**
 * `camp demo --city`: the demo straight to the MX hosts of a test city of mailbox providers, each with its own limits and
 * moods, instead of to the sandbox. The city is part of the source tree (test/city) and not of the program: it is looked
 * for when it is wanted.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Config } from '../kernel/config.ts';
import { isErrno } from '../kernel/embedded-postgres-postmaster.ts';
import { CommandError } from './errors.ts';
import { EXIT } from './exit-codes.ts';
import { count, type Output, styled, table } from './output.ts';

/** As the provider itself counted. */
export interface ProviderReport {
  provider: string;
  accepted: number;
  rejected: number;
  deferred: number;
  uncertain: number;
  limits_broken: number;
  connections_max: number;
}

export interface City {
  resolver: string;
  mxPort: number;
  report(): Promise<ProviderReport[]>;
  /** How often each recipient's provider accepted something. */
  acceptedOf(): Promise<Map<string, number>>;
  stop(): Promise<void>;
}

interface CityModule {
  startCity(options: { dir: string; speed: number }): Promise<City>;
  cityRecipients(city: City, recipients: number): string[];
}

const CITY = join(import.meta.dirname, '../../test/city/city.ts');
const LIST = 'Readers in the city';
/** Greylisting and slow answers, so many times as fast as in life. */
const SPEED = 10;

export interface CityParts {
  city: City;
  /** What makes everything go straight to the city. */
  config: Pick<Config, 'smtpUrl' | 'resolver' | 'mxPort' | 'retryBaseSeconds'>;
  file: string;
  listName: string;
}

/** Starts the city, and writes the CSV file of its people into `folder`. */
export async function startCity(folder: string, recipients: number): Promise<CityParts> {
  const { startCity: start, cityRecipients } = await findCity();
  await mkdir(folder, { recursive: true });
  // The city goes on in the book that it finds.
  await rm(join(folder, 'city.jsonl'), { force: true });
  const city = await start({ dir: folder, speed: SPEED });
  const file = join(folder, 'city.csv');
  const people = cityRecipients(city, recipients).map((email, at) => `${email},Reader ${at}`);
  await writeFile(file, `email,name\n${people.join('\n')}\n`);
  const { resolver, mxPort } = city;
  const config = { smtpUrl: undefined, resolver, mxPort, retryBaseSeconds: 1 };
  return { city, config, file, listName: LIST };
}

async function findCity(): Promise<CityModule> {
  try {
    return await import(pathToFileURL(CITY).href);
  } catch (error) {
    if (!isErrno(error, 'ERR_MODULE_NOT_FOUND')) throw error;
    throw new CommandError(
      EXIT.failed,
      'The test city is not here: run the demo with --city in a checkout of the source.',
    );
  }
}

/** What each provider counted; a broken limit is ours to answer for. */
export function sayCity(out: Output, reports: ProviderReport[]): void {
  const head = ['provider', 'accepted', 'rejected', 'deferred', 'uncertain', 'connections', 'limits broken'];
  const rows = reports.map((report) => [
    report.provider,
    count(report.accepted),
    count(report.rejected),
    count(report.deferred),
    count(report.uncertain),
    count(report.connections_max),
    count(report.limits_broken),
  ]);
  out.say(`\n${styled(out, 'bold', 'As the providers counted')}\n${table([head, ...rows])}`);
}

/** The city's books as one server's. */
export async function cityTotals(city: City): Promise<{ accepted: number; duplicates: number }> {
  const times = await city.acceptedOf();
  return { accepted: times.size, duplicates: [...times.values()].filter((n) => n > 1).length };
}
