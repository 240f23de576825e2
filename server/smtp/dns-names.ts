/** Names as the DNS holds them: lower case, ASCII, without the trailing dot. */
import { isIPv4, isIPv6 } from 'node:net';
import { encode } from 'dns-packet';

const NAME_BYTES_MAX = 253;
/** A label of a host name, or of a service such as _dmarc or _25 (RFC 1035 section 2.3.4, RFC 8552). */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const IPV6_BYTES = 16;

/** Null for what cannot be a name: too long, an empty label, a character that no host name has. */
export function dnsName(text: string): string | null {
  const name = text.toLowerCase().replace(/\.$/, '');
  const fits = name.length <= NAME_BYTES_MAX && name.split('.').every((label) => LABEL.test(label));
  return fits ? name : null;
}

/** The name under which the host names of an IP address are kept (RFC 1035 section 3.5, RFC 3596 section 2.5). */
export function reverseName(address: string): string | null {
  if (isIPv4(address)) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  if (!isIPv6(address) || address.includes('%')) return null;
  const record = encode({ answers: [{ type: 'AAAA', name: '.', data: address }] });
  const digits = record.subarray(-IPV6_BYTES).toString('hex');
  return `${[...digits].reverse().join('.')}.ip6.arpa`;
}
