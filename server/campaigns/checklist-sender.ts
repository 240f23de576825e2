/** The checklist's part about who sends: the From address, and SPF, DKIM and DMARC of its domain. Pure. */
import { isIP } from 'node:net';
import type { CheckedRecord, Purpose } from '../senders/dns-records.ts';
import type { DomainCheck } from '../senders/domains.ts';
import type { Checked, ChecklistItem } from './checked.ts';

/** Ports of real mail servers: a relay on this machine at another one is there for testing. */
const MAIL_PORTS = new Set([25, 465, 587]);

/** Names that stand for nobody (RFC 2606, RFC 6761). */
const RESERVED = /(^|\.)(test|example|invalid|localhost|local|example\.(com|net|org))$/;

/**
 * Mailbox providers that let nobody else send as their users (DMARC p=reject or p=quarantine; Google announced it for
 * gmail.com with its rules for bulk senders), and the hosts of their own relays, through which a user may.
 */
const FREEMAIL: readonly { domains: RegExp; relays: RegExp }[] = [
  { domains: /^(gmail|googlemail)\.com$/, relays: /\.(gmail|google)\.com$/ },
  { domains: /^(yahoo|ymail|rocketmail)(\.co)?\.[a-z]+$/, relays: /\.yahoo\.[a-z.]+$/ },
  { domains: /^(aol|aim|verizon)\.(com|net)$/, relays: /\.aol\.com$/ },
  { domains: /^(outlook|hotmail|live|msn)(\.co)?\.[a-z]+$/, relays: /\.(office365|outlook)\.com$/ },
  { domains: /^(icloud|me|mac)\.com$/, relays: /\.mail\.me\.com$/ },
  { domains: /^(gmx\.[a-z]+|web\.de|mail\.com)$/, relays: /\.(gmx\.[a-z]+|web\.de|mail\.com)$/ },
  { domains: /^(mail|inbox|list|bk)\.ru$/, relays: /\.mail\.ru$/ },
  { domains: /^(yandex\.[a-z]+|ya\.ru)$/, relays: /\.yandex\.[a-z]+$/ },
  { domains: /^(proton\.me|protonmail\.com|pm\.me)$/, relays: /\.(proton\.me|protonmail\.ch)$/ },
  { domains: /^(qq|163|126)\.com$/, relays: /\.(qq|163|126)\.com$/ },
];

type Sender = Pick<Checked, 'fromEmail' | 'fromDomain' | 'routes' | 'config'>;

/** Whether every way out leads to a test server, so that no stranger gets a mail. */
export function isRehearsal({ routes, fromDomain, config }: Sender): boolean {
  const isReserved = RESERVED.test(fromDomain);
  // With neither a database nor a relay that somebody named, it is the sandbox.
  if (routes.length === 0) return isReserved || config.databaseUrl === undefined;
  return routes.every((route) => {
    const { host, port } =
      route.kind === 'relay' ? route.options : { host: resolverHost(config.resolver), port: config.mxPort };
    return isLoopback(host) && (isReserved || !MAIL_PORTS.has(port));
  });
}

export function checkFrom({ fromEmail, fromDomain, routes }: Sender, rehearsal: boolean): ChecklistItem {
  const item = { id: 'sender', fix: 'Make the campaign with --from at a domain of your own.' };
  if (RESERVED.test(fromDomain) && !rehearsal)
    return {
      ...item,
      verdict: 'red',
      sentence: `${fromDomain} is reserved for examples: nobody accepts mail from it.`,
    };
  const provider = FREEMAIL.find(({ domains }) => domains.test(fromDomain));
  const isTheirs = (host: string) => provider?.relays.test(`.${host}`) ?? false;
  const throughThem = routes.every((route) => route.kind === 'relay' && isTheirs(route.options.host));
  if (provider && !(routes.length > 0 && throughThem))
    return {
      ...item,
      verdict: 'red',
      sentence: `Mail from ${fromDomain} is refused or taken for spam when ${fromDomain} itself did not send it.`,
    };
  return { id: 'sender', verdict: 'green', sentence: `It comes from ${fromEmail}.`, fix: null };
}

/** What the large providers want, and why the mail fails without it. */
const WANTED = {
  dkim: 'a DKIM signature',
  spf: 'SPF',
  dmarc: 'DMARC',
} as const satisfies Partial<Record<Purpose, string>>;

export function checkRecords({ routes, fromDomain, dkimKeys }: Checked, check: DomainCheck): ChecklistItem[] {
  const isDirect = routes.some(({ kind }) => kind === 'direct');
  if (check.kind === 'not-added') return isDirect ? [unsigned(fromDomain)] : [];
  const items = (['dkim', 'spf', 'dmarc'] as const).map((purpose) => {
    const records = check.records.filter((record) => record.purpose === purpose && record.required);
    // A relay may sign, and has an SPF record of its own; DMARC nobody has for us.
    return recordItem(purpose, records, isDirect || purpose === 'dmarc' ? 'red' : 'amber', fromDomain);
  });
  const signs = dkimKeys.length > 0 || check.activated.length > 0;
  return signs || !isDirect ? items : [unsigned(fromDomain), ...items.filter(({ id }) => id !== 'dkim')];
}

export function unsigned(domain: string): ChecklistItem {
  return {
    id: 'dkim',
    verdict: 'red',
    sentence: `Nothing signs mail from ${domain}, and it goes straight to the recipients’ mail servers: Gmail, Yahoo and Microsoft refuse it in bulk.`,
    fix: `Run \`camp domain add ${domain}\`, publish the records that it prints, then \`camp domain check ${domain}\`.`,
  };
}

function recordItem(
  purpose: keyof typeof WANTED,
  records: readonly CheckedRecord[],
  amiss: 'red' | 'amber',
  domain: string,
): ChecklistItem {
  const fault = records.find(({ verdict }) => verdict === 'missing' || verdict === 'wrong');
  const unknown = records.find(({ verdict }) => verdict === 'unknown');
  const fix = `${fault?.advice ?? unknown?.advice ?? ''} See \`camp domain check ${domain}\`.`.trim();
  if (fault)
    return {
      id: purpose,
      verdict: amiss,
      sentence: `Large providers want ${WANTED[purpose]}, and the record at ${fault.name} is ${fault.verdict}.`,
      fix,
    };
  if (unknown)
    return {
      id: purpose,
      verdict: 'amber',
      sentence: `The record at ${unknown.name} was not checked, because the DNS did not answer.`,
      fix,
    };
  return {
    id: purpose,
    verdict: 'green',
    sentence: `${purpose.toUpperCase()} of ${domain} is in order.`,
    fix: null,
  };
}

function resolverHost(resolver: string | undefined): string {
  return resolver?.replace(/:\d+$/, '').replace(/^\[|\]$/g, '') ?? '';
}

function isLoopback(host: string): boolean {
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1' || /(^|\.)localhost$/i.test(host);
}
