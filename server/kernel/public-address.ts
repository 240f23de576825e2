/**
 * Which addresses are the public internet's, for connections that somebody asks for who must not reach into the
 * network of the installation (SSRF). What is asked is the address that is connected to, never a name: a name may
 * answer differently each time.
 *
 * IPv4: all but the special-purpose registry (RFC 6890). IPv6: only 2000::/3, which is all that is given out (RFC 4291
 * section 2.4), without what carries IPv4 addresses or is for examples; so an IPv4-mapped address is none either.
 */
import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';

const SPECIAL_IPV4 = `0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
  192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4`;
const GLOBAL_IPV6 = '2000::/3';
/** Teredo and other protocols' own, examples, 6to4, and examples again. */
const SPECIAL_IPV6 = '2001::/23 2001:db8::/32 2002::/16 3fff::/20';

const special = networks(`${SPECIAL_IPV4} ${SPECIAL_IPV6}`);
const globalIpv6 = networks(GLOBAL_IPV6);

export function isPublicAddress(address: string): boolean {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  if (isIP(address) === 0 || address.includes('%')) return false;
  return (family === 'ipv4' || globalIpv6.check(address, family)) && !special.check(address, family);
}

/** Names what may not be reached. */
export class NotPublic extends Error {
  override readonly name = 'NotPublic';
  readonly code = 'ENOTPUBLIC';

  constructor(host: string) {
    super(`${host} is not on the public internet`);
  }
}

/** For `net.connect`, which connects to what this gives. It is not asked about a host that is an address already. */
export const lookupPublic: LookupFunction = (host, options, callback) => {
  dnsLookup(host, { ...options, all: true }, (error, found) => {
    const [first, ...more]: LookupAddress[] = (found ?? []).filter(({ address }) => isPublicAddress(address));
    if (error) callback(error, '');
    else if (!first) callback(new NotPublic(host), '');
    else if (options.all) callback(null, [first, ...more]);
    else callback(null, first.address, first.family);
  });
};

function networks(text: string): BlockList {
  const list = new BlockList();
  for (const network of text.split(/\s+/)) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  return list;
}
