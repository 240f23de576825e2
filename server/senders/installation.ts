/** What the DNS records of every sending domain point to, as far as the settings and the sources tell. */
import type { Database } from '../kernel/database.ts';
import { allSources } from './queries-routes.ts';

export interface Installation {
  /** Host of CAMP_PUBLIC_URL. */
  publicHost: string;
  /** SPF mechanisms of all that sends for us (`include:relay.example`, `ip4:192.0.2.1`); empty: Camp does not know. */
  spf: readonly string[];
}

/** `spf`: CAMP_SPF. Without it, what sends are the sources, when there are any. */
export async function describeInstallation(
  database: Database,
  { publicUrl, spf }: { publicUrl: string; spf: string | undefined },
): Promise<Installation> {
  const publicHost = new URL(publicUrl).hostname;
  if (spf !== undefined) return { publicHost, spf: spf.split(' ') };
  const sources = await database.withSystem(allSources);
  const addresses = sources.map(({ address, publicAddress }) => publicAddress ?? address);
  return { publicHost, spf: addresses.map((address) => `ip${address.includes(':') ? 6 : 4}:${address}`) };
}
