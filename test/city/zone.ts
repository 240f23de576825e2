/** The names of the city: the providers' domains and hosts, some domains that are out of order, and what a test adds. */
import type { Answer, MxAnswer, Question, SoaAnswer, StringAnswer, TlsaAnswer, TxtAnswer } from 'dns-packet';
import type { ProviderSpec } from './spec.ts';

export type ZoneRecord = StringAnswer | MxAnswer | TxtAnswer | TlsaAnswer;

/** Domains to which nothing can be sent, each for its own reason, and one without MX to which mail goes all the same. */
export const ODD_DOMAINS = {
  nullMx: 'null-mx.example',
  noSuchDomain: 'no-such-domain.example',
  servfail: 'servfail.example',
  /** Its name server never answers. */
  silent: 'silent-dns.example',
  /** There is something of that name, but neither an MX nor an address. */
  noMailHost: 'no-mail-host.example',
  /** Its MX host does not exist. */
  danglingMx: 'dangling-mx.example',
  /** No MX, but an address: that of the city's first provider that answers. */
  withoutMx: 'without-mx.example',
} as const;

export type ZoneAnswer =
  | { kind: 'answer'; rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL'; answers: Answer[]; authorities: Answer[] }
  | { kind: 'silence' };

const TTL_S = 5;
const CNAMES_MAX = 8;
/** RFC 1035 3.3: a TXT record is made of strings of up to so many bytes. */
const TXT_STRING_BYTES_MAX = 255;

export class Zone {
  readonly #records = new Map<string, ZoneRecord[]>();

  constructor(placed: readonly (ProviderSpec & { address: string })[]) {
    for (const { domains, address } of placed)
      for (const { domain, mx } of domains) {
        this.set(
          mx.map(([preference, exchange]) => ({ type: 'MX', name: domain, data: { preference, exchange } })),
        );
        this.set(mx.map(([, host]) => ({ type: 'A', name: host, data: address })));
      }
    const well = placed.find(({ manner }) => manner.door === 'open');
    this.set([
      { type: 'MX', name: ODD_DOMAINS.nullMx, data: { preference: 0, exchange: '.' } },
      {
        type: 'MX',
        name: ODD_DOMAINS.danglingMx,
        data: { preference: 10, exchange: 'mx.no-such-domain.example' },
      },
      { type: 'TXT', name: ODD_DOMAINS.noMailHost, data: 'nobody reads mail here' },
      ...(well ? [{ type: 'A', name: ODD_DOMAINS.withoutMx, data: well.address } as const] : []),
    ]);
  }

  /** Replaces, for each name and type that occurs, all that was there. */
  set(records: readonly ZoneRecord[]): void {
    for (const { name, type } of records) {
      const others = this.#at(name).filter((record) => record.type !== type);
      this.#records.set(name.toLowerCase(), others);
    }
    for (const record of records) this.#at(record.name).push(record);
  }

  answer({ name, type }: Question): ZoneAnswer {
    const asked = name.toLowerCase();
    if (isUnder(asked, ODD_DOMAINS.silent)) return { kind: 'silence' };
    if (isUnder(asked, ODD_DOMAINS.servfail))
      return { kind: 'answer', rcode: 'SERVFAIL', answers: [], authorities: [] };
    const answers = this.#find(name, type);
    if (answers.some((answer) => answer.type === type))
      return { kind: 'answer', rcode: 'NOERROR', answers, authorities: [] };
    const end = answers.at(-1);
    const missing = end?.type === 'CNAME' ? end.data.toLowerCase() : asked;
    const rcode = this.#exists(missing) ? 'NOERROR' : 'NXDOMAIN';
    return { kind: 'answer', rcode, answers, authorities: [soa(asked)] };
  }

  /** Records of that type, behind the CNAMEs that lead to them. Names are written as they were asked for. */
  #find(name: string, type: string): ZoneRecord[] {
    const found: ZoneRecord[] = [];
    for (let at = name, steps = 0; steps < CNAMES_MAX; steps += 1) {
      const here = this.#at(at).map((record) => ({ ...record, name: at, ttl: TTL_S }));
      found.push(...here.filter((record) => record.type === type).map(onTheWire));
      const alias = here.find((record) => record.type === 'CNAME');
      if (type === 'CNAME' || alias?.type !== 'CNAME') return found;
      found.push(alias);
      at = alias.data;
    }
    return found;
  }

  #at(name: string): ZoneRecord[] {
    return this.#records.get(name.toLowerCase()) ?? [];
  }

  /** A name exists too when there is only something below it (RFC 8020). */
  #exists(name: string): boolean {
    return [...this.#records.keys()].some((known) => isUnder(known, name));
  }
}

function isUnder(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}

function onTheWire(record: ZoneRecord): ZoneRecord {
  if (record.type !== 'TXT' || typeof record.data !== 'string') return record;
  return { ...record, data: record.data.match(new RegExp(`.{1,${TXT_STRING_BYTES_MAX}}`, 'gs')) ?? '' };
}

/** RFC 2308: how long it may be remembered that there is nothing. */
function soa(name: string): SoaAnswer {
  const zone = name.split('.').slice(-2).join('.');
  return {
    type: 'SOA',
    name: zone,
    ttl: TTL_S,
    data: {
      mname: `ns.${zone}`,
      rname: `hostmaster.${zone}`,
      serial: 1,
      refresh: 3600,
      retry: 600,
      expire: 86_400,
      minimum: TTL_S,
    },
  };
}
