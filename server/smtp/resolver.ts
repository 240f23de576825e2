/** The DNS server that Camp asks: the one of CAMP_RESOLVER or --resolver, else this machine's own. */
import type { Config } from '../kernel/config.ts';
import { Resolver, systemServers } from './dns.ts';

export function createResolver({ resolver }: Pick<Config, 'resolver'>): Resolver {
  const isSystem = resolver === undefined || resolver === 'system';
  return new Resolver({ servers: isSystem ? systemServers() : [resolver] });
}
