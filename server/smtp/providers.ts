/**
 * The mailbox providers that we know, and how much they take: a table of data, in the order of matching.
 *
 * Many domains share a provider, so its limits belong to it and not to the domain. A domain belongs to a provider when
 * every one of its MX hosts does: one that also has a host of its own is not lumped in. Limits have two levels: those
 * of a site (a set of MX hosts) and, where a provider counts over all its sites, a cap over them. They are first
 * values, for one source address; what replies teach changes them (server/delivery). Null: no limit of ours.
 */
export interface Limits {
  connections: number;
  messagesPerConnection: number;
  messagesPerSecond: number | null;
  messagesPerDay: number | null;
}

export interface Provider {
  name: string;
  /** Of MX host names, with the dot in front. */
  suffixes?: readonly string[];
  /** Recipients' domains, for providers whose hosts do not tell. */
  domains?: readonly string[];
  site: Limits;
  /** Over all its sites; null where each site counts for itself. */
  overall: Limits | null;
  tls: 'opportunistic' | 'required';
}

/** Of a site that belongs to no provider. */
export const defaultLimits: Limits = {
  connections: 10,
  messagesPerConnection: 100,
  messagesPerSecond: 100,
  messagesPerDay: null,
};

/** The first that matches counts. */
export const providers: readonly Provider[] = [
  {
    name: 'google',
    suffixes: ['.google.com', '.googlemail.com'],
    site: limits(5, 50),
    overall: cap(5, 50),
    tls: 'required',
  },
  {
    name: 'outlook',
    suffixes: ['.olc.protection.outlook.com'],
    site: limits(5, 50),
    overall: cap(5, 50),
    tls: 'opportunistic',
  },
  {
    // Every tenant has a host of its own, so only the cap holds them together.
    name: 'office365',
    suffixes: ['.mail.protection.outlook.com', '.mx.microsoft'],
    site: limits(5, 50),
    overall: cap(5, 50),
    tls: 'opportunistic',
  },
  { name: 'yahoo', suffixes: ['.yahoodns.net'], site: limits(10, 20), overall: null, tls: 'opportunistic' },
  {
    name: 'apple',
    suffixes: ['.icloud.com'],
    site: limits(10, 5),
    overall: cap(10, 5),
    tls: 'opportunistic',
  },
  { name: 'comcast', domains: ['comcast.net'], site: limits(25, 1_000), overall: null, tls: 'opportunistic' },
  {
    // Its regions are servers of their own.
    name: 'mimecast',
    suffixes: ['.mimecast.com', '.mimecast.co.za', '.mimecast-offshore.com'],
    site: limits(10, 100),
    overall: null,
    tls: 'opportunistic',
  },
  { name: 'gmx', suffixes: ['.gmx.net', '.web.de'], site: limits(4, 20), overall: null, tls: 'required' },
  { name: 'orange', suffixes: ['.orange.fr'], site: limits(2, 100), overall: cap(2, 100), tls: 'required' },
  { name: 'qq', suffixes: ['.qq.com'], site: limits(4, 8), overall: null, tls: 'opportunistic' },
  { name: 'netease', suffixes: ['.netease.com'], site: limits(4, 7), overall: null, tls: 'opportunistic' },
  {
    name: 'yahoo-japan',
    domains: ['yahoo.co.jp'],
    site: { ...limits(2, 20), messagesPerSecond: 10 },
    overall: null,
    tls: 'opportunistic',
  },
  {
    name: 'barracuda',
    suffixes: ['.barracudanetworks.com'],
    site: limits(10, 15),
    overall: null,
    tls: 'opportunistic',
  },
  {
    name: 'netvigator',
    suffixes: ['.netvigator.com'],
    site: limits(5, 10),
    overall: null,
    tls: 'opportunistic',
  },
  { name: 'kpn', suffixes: ['.kpnmail.nl'], site: limits(10, 10), overall: null, tls: 'opportunistic' },
  unmeasured('proofpoint', '.pphosted.com', '.ppe-hosted.com'),
  unmeasured('godaddy', '.secureserver.net'),
  unmeasured('rackspace', '.emailsrvr.com'),
  unmeasured('zoho', '.zoho.com'),
  unmeasured('mail.ru', '.mail.ru'),
  unmeasured('yandex', '.yandex.net'),
  unmeasured('t-online', '.t-online.de'),
  unmeasured('proton', '.protonmail.ch'),
];

/** The provider of a recipient's domain with these MX hosts, by the hosts before the domain; null: none that we know. */
export function providerOf(domain: string, hosts: readonly string[]): Provider | null {
  const bareDomain = bare(domain);
  const bareHosts = hosts.map(bare);
  return (
    providers.find(({ suffixes = [] }) => allBelong(bareHosts, suffixes)) ??
    providers.find(({ domains = [] }) => domains.some((own) => bare(own) === bareDomain)) ??
    null
  );
}

function allBelong(hosts: readonly string[], suffixes: readonly string[]): boolean {
  const endsInOne = (host: string) => suffixes.some((suffix) => host.endsWith(bare(suffix)));
  return hosts.length > 0 && hosts.every(endsInOne);
}

function bare(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

function limits(connections: number, messagesPerConnection: number): Limits {
  return { ...defaultLimits, connections, messagesPerConnection };
}

/** Over all sites: how fast is each site's own matter. */
function cap(connections: number, messagesPerConnection: number): Limits {
  return { connections, messagesPerConnection, messagesPerSecond: null, messagesPerDay: null };
}

/** A provider that nobody has measured yet: half of the default. */
function unmeasured(name: string, ...suffixes: string[]): Provider {
  const site = { ...limits(5, 50), messagesPerSecond: 50 };
  return { name, suffixes, site, overall: null, tls: 'opportunistic' };
}
