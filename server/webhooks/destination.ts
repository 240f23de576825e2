/**
 * Where an endpoint's URL leads. Whoever may make an endpoint could otherwise make this installation talk to itself, its
 * neighbours or its cloud's metadata (SSRF). So a URL is https and its host is on the public internet; the name is resolved
 * once, every address it has must be public, and the connection goes to one that was looked at, so a second answer of the
 * DNS changes nothing. Redirects are not followed (kernel/http.ts).
 *
 * The operator may allow networks of their own (CAMP_WEBHOOK_NETWORKS); what leads there, and nothing else, may be http.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';
import { isPublicAddress } from '../kernel/public-address.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Resolver } from '../smtp/dns.ts';

const URL_CHARS_MAX = 2_000;

/** A URL that cannot be an endpoint's. One sentence for whoever gave it. */
export class UrlRefused extends Error {
  override readonly name = 'UrlRefused';
}

/** It could be one, and leads nowhere now. */
export class NoWayThere extends Error {
  override readonly name = 'NoWayThere';
}

/** The operator's own: addresses or networks, such as 10.0.0.0/8. */
export class OwnNetworks {
  readonly #list = new BlockList();
  readonly isEmpty: boolean;

  constructor(networks: readonly string[]) {
    this.isEmpty = networks.length === 0;
    for (const network of networks) {
      const [address = '', bits] = network.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      this.#list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family);
    }
  }

  has(address: string): boolean {
    return this.#list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}

/** As it will be called. Throws UrlRefused. */
export function readUrl(text: string, own: OwnNetworks): string {
  if (!URL.canParse(text) || text.length > URL_CHARS_MAX)
    throw new UrlRefused(`“${text.slice(0, 100)}” is no URL such as https://example.com/hooks.`);
  const url = new URL(text);
  const isOwn = url.protocol === 'http:' && !own.isEmpty;
  if (url.protocol !== 'https:' && !isOwn) throw new UrlRefused('The URL must begin with https://.');
  if (url.username !== '' || url.password !== '')
    throw new UrlRefused('The URL must hold no user name and no password: the signature says who we are.');
  if (url.hash !== '') throw new UrlRefused('The URL must have no fragment (#…): it would not be sent.');
  const address = addressIn(url);
  if (address !== null && !mayReach(address, url, own)) throw new UrlRefused(NOT_PUBLIC);
  return url.href;
}

const NOT_PUBLIC = 'The URL leads to an address that is not on the public internet.';

/** An address to connect to. Throws NoWayThere. */
export async function findAddress(
  scope: Scope,
  url: URL,
  { resolver, own }: { resolver: Resolver; own: OwnNetworks },
): Promise<string> {
  const literal = addressIn(url);
  const addresses = literal === null ? await resolve(scope, url.hostname, resolver) : [literal];
  const [first] = addresses;
  if (first === undefined) throw new NoWayThere(`${url.hostname} has no address.`);
  if (!addresses.every((address) => mayReach(address, url, own))) throw new NoWayThere(NOT_PUBLIC);
  return first;
}

async function resolve(scope: Scope, host: string, resolver: Resolver): Promise<readonly string[]> {
  const answer = await resolver.addresses(scope, host);
  if (answer.kind === 'failed') throw new NoWayThere(`The DNS gave no answer about ${host}.`);
  return answer.kind === 'found' ? answer.records : [];
}

function mayReach(address: string, { protocol }: URL, own: OwnNetworks): boolean {
  return own.has(address) || (protocol === 'https:' && isPublicAddress(address));
}

/** URL has written it in its one way: dotted and decimal, or short and in brackets. */
function addressIn({ hostname }: URL): string | null {
  const host = hostname.replace(/^\[|\]$/g, '');
  return isIP(host) === 0 ? null : host;
}
