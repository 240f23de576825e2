/**
 * Domain names as this folder compares them (lower case, ASCII, no trailing dot), and which of them belong to one
 * organization: DMARC aligns by the organizational domain (RFC 7489 section 3.2), which the public suffix list tells.
 */
import { getDomain } from 'tldts';
import { type RefusalReason, readHostName } from './route-names.ts';

/** One sentence that says why a sending domain cannot be what somebody asked for. */
export class DomainRefused extends Error {
  override readonly name = 'DomainRefused';
  readonly reason: RefusalReason;

  constructor(message: string, reason: RefusalReason = 'refused') {
    super(message);
    this.reason = reason;
  }
}

/** Throws DomainRefused. */
export function readDomain(text: string): string {
  const domain = readHostName(text.trim().replace(/\.$/, ''));
  if (domain === null)
    throw new DomainRefused(
      `"${text}" cannot be a sending domain: write what stands after the @ of the sender, such as news.example.com.`,
    );
  if (organizationalDomain(domain) === null)
    throw new DomainRefused(
      `"${text}" is a public suffix, under which others have their domains: write your own.`,
    );
  return domain;
}

/** The domain that was registered; null for a public suffix and for what is none at all. */
export function organizationalDomain(domain: string): string | null {
  return getDomain(domain, { allowPrivateDomains: true });
}

/** The domain and its parents up to the organizational domain, nearest first: whoever signs as one of them is aligned. */
export function alignedDomains(domain: string): string[] {
  const organization = organizationalDomain(domain) ?? domain;
  const labels = domain.split('.');
  const count = labels.length - organization.split('.').length + 1;
  return Array.from({ length: count }, (_, index) => labels.slice(index).join('.'));
}
