/** How many requests a network address, a key (or a session) and a workspace may make: 429 beyond it. */
import { isIPv6 } from 'node:net';
import type { Principal } from '../accounts/principal.ts';
import type { Limit } from '../kernel/rate-limits.ts';
import { comeAgain } from './problem.ts';
import type { Services } from './services.ts';

/** Before anybody knows who asks. */
export function limitAddress(services: Services, address: string): Promise<void> {
  return limit(services, { address: [networkOf(address), services.config.addressPerSecond] });
}

export function limitPrincipal(services: Services, principal: Principal): Promise<void> {
  const { workspaceId, id } = principal;
  const { keyPerSecond, workspacePerSecond } = services.config;
  return limit(services, {
    key: [`${workspaceId} ${id}`, keyPerSecond],
    workspace: [workspaceId, workspacePerSecond],
  });
}

type Kind = 'address' | 'key' | 'workspace';

/** What is saved up is a second's worth. */
async function limit(
  services: Services,
  wanted: Partial<Record<Kind, [of: string, perSecond: number]>>,
): Promise<void> {
  const limits = Object.entries(wanted).map(
    ([kind, [of, perSecond]]): Limit => ({ name: `${kind} ${of}`, perSecond, burst: perSecond }),
  );
  const admission = await services.limits.admit(limits);
  if (admission.kind === 'admitted') return;
  const [kind = ''] = admission.name.split(' ');
  services.metrics.limited.inc({ limit: kind });
  throw comeAgain('too-many-requests', `The limit of this ${kind} is spent.`, admission.retryAfterMs);
}

/** Whoever has one IPv6 address has the 2^64 of its network (RFC 6177). */
export function networkOf(address: string): string {
  const v4 = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (v4 !== undefined) return v4;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length);
  const all = [...groups, ...Array.from({ length: missing }, () => '0'), ...(tail ? tail.split(':') : [])];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
