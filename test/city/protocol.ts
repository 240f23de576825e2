/** What a test and its city say to each other. */
import type { ProviderReport } from './provider.ts';
import type { Change } from './provider-server.ts';
import type { ProviderSpec } from './spec.ts';
import type { ZoneRecord } from './zone.ts';

/** A provider with the loopback address on which it listens. */
export type PlacedProvider = ProviderSpec & { address: string };

export interface Plan {
  seed: number;
  providers: PlacedProvider[];
  /** 0: any that is free on all addresses. */
  mxPort: number;
  ledgerFile: string;
}

export type CityQuestion =
  | { kind: 'open'; plan: Plan }
  | { kind: 'report' }
  | { kind: 'change'; provider: string; change: Change }
  | { kind: 'records'; records: ZoneRecord[] };

/** Every answer is the whole report; what was told before can be read from the ledger's file. */
export interface CityReport {
  /** IP:PORT. */
  resolver: string;
  mxPort: number;
  providers: ProviderReport[];
}
