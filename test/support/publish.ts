/** Does what a person does with the lines that `camp domain` prints: puts the records into the zone. */
import type { ExpectedRecord } from '../../server/senders/dns-records.ts';
import type { Zone } from './dns-server.ts';

export function publish(zone: Zone, records: readonly ExpectedRecord[]): void {
  for (const { type, name, expected, zone: line } of records) {
    const strings = [...line.matchAll(/"([^"]*)"/g)].map(([, string = '']) => string);
    const value = { TXT: { TXT: [strings] }, MX: { MX: [expected] }, CNAME: { CNAME: expected } }[type];
    zone[name] = { ...zone[name], ...value };
  }
}
