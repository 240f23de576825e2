/** A sending domain as it is shown without asking the DNS: what to publish, and what the last check found of it. */
import {
  bounceRecord,
  type CheckedRecord,
  dmarcRecord,
  type ExpectedRecord,
  spfRecord,
  trackingRecord,
} from './dns-records.ts';
import type { SendingDomain } from './domains.ts';
import type { Installation } from './installation.ts';
import { keyRecords } from './key-checks.ts';

/** `unchecked`: nobody has looked since the record is what it is. */
export interface ShownRecord extends Omit<CheckedRecord, 'verdict'> {
  verdict: CheckedRecord['verdict'] | 'unchecked';
}

export function shownRecords(
  { domain, keys, findings }: SendingDomain,
  installation: Installation,
): ShownRecord[] {
  const expected = [
    ...keyRecords(keys).map(({ record }) => record),
    spfRecord(domain, installation),
    dmarcRecord(domain),
    bounceRecord(domain, installation),
    trackingRecord(domain, installation),
  ];
  return expected.map((record) => shown(record, findings ?? []));
}

function shown(record: ExpectedRecord, findings: readonly CheckedRecord[]): ShownRecord {
  const known = findings.find(
    ({ type, name, expected }) =>
      type === record.type && name === record.name && expected === record.expected,
  );
  if (!known) return { ...record, found: [], verdict: 'unchecked', advice: null };
  const { found, verdict, advice } = known;
  return { ...record, found, verdict, advice };
}
