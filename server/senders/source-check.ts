/**
 * What the DNS says of a source. Mailbox providers ask for the reverse name of the address that mail comes from, and that
 * this name leads back to the address (Gmail refuses with 5.7.25 what has none); and the name in EHLO must exist
 * (RFC 5321 2.3.5). When the source says its reverse name in EHLO, two records answer all of it.
 */
import { isIPv6, SocketAddress } from 'node:net';
import type { Scope } from '../kernel/scope.ts';
import type { DnsAnswer, Resolver } from '../smtp/dns.ts';
import type { Verdict } from './dns-records.ts';

export interface SourceRecord {
  readonly purpose: 'reverse' | 'forward';
  readonly type: 'PTR' | 'A' | 'AAAA';
  /** PTR: the address itself. */
  readonly name: string;
  readonly expected: string;
  readonly found: readonly string[];
  readonly verdict: Verdict;
  /** One sentence that says what to do; null: nothing. */
  readonly advice: string | null;
}

interface CheckedSource {
  readonly address: string;
  readonly publicAddress: string | null;
  readonly heloName: string;
}

export async function checkSource(
  scope: Scope,
  resolver: Resolver,
  source: CheckedSource,
): Promise<SourceRecord[]> {
  const { heloName, publicAddress } = source;
  const address = publicAddress ?? source.address;
  const [reverse, forward] = await Promise.all([
    resolver.ptr(scope, address),
    resolver.addresses(scope, heloName),
  ]);
  const behindNat = publicAddress ? '' : ' Behind NAT, name the address that others see with --public.';
  const reverseAdvice = `Ask whoever gave you ${address} to set its PTR record to ${heloName}, or say in EHLO what it is now.${behindNat}`;
  const type = isIPv6(address) ? 'AAAA' : 'A';
  const forwardAdvice = `Add an ${type} record for ${heloName}: ${address}.`;
  return [
    {
      ...{ purpose: 'reverse', type: 'PTR', name: address, expected: heloName },
      ...judge(reverse, (name) => name === heloName, reverseAdvice),
    },
    {
      ...{ purpose: 'forward', type, name: heloName, expected: address },
      ...judge(forward, (found) => canonical(found) === canonical(address), forwardAdvice),
    },
  ];
}

type Judged = Pick<SourceRecord, 'found' | 'verdict' | 'advice'>;

function judge(answer: DnsAnswer<string>, isExpected: (record: string) => boolean, advice: string): Judged {
  if (answer.kind === 'failed')
    return {
      found: [],
      verdict: 'unknown',
      advice: `The DNS gave no answer (${answer.error}): ask again later.`,
    };
  if (answer.kind === 'none') return { found: [], verdict: 'missing', advice };
  const { records: found } = answer;
  return found.some(isExpected)
    ? { found, verdict: 'ok', advice: null }
    : { found, verdict: 'wrong', advice };
}

/** 2001:DB8:0::10 is 2001:db8::10. */
function canonical(address: string): string {
  return new SocketAddress({ address, family: isIPv6(address) ? 'ipv6' : 'ipv4' }).address;
}
