/**
 * The providers of the city: the big ones under their real MX names, small ones with faults. Limits are what the providers
 * publish or what senders agree on; sick ones and unknown ones take what a stranger may assume: 10 connections, 100 messages
 * on each, 100 messages a second.
 */
import {
  appleTexts,
  exchangeTexts,
  eximTexts,
  gmailTexts,
  office365Texts,
  outlookTexts,
  postfixTexts,
  yahooTexts,
} from './reply-texts.ts';
import type { Limits, Manner, ProviderSpec } from './spec.ts';

type MxSet = ProviderSpec['domains'][number]['mx'];

const wellMannered: Manner = {
  door: 'open',
  bannerMs: 0,
  byteMs: 0,
  answerMs: 0,
  shares: { unknownUser: 1 / 50, inactive: 1 / 500, mailboxFull: 1 / 200, overRate: 1 / 500 },
  cuts: {},
};

const strangersLimits: Limits = {
  connections: 10,
  messagesPerConnection: 100,
  messagesPerSecond: 100,
  throttledAbovePerSecond: null,
  closesWhenFull: false,
};

/** Five connections and fifty messages on each: Google and Microsoft. */
const fewConnections: Limits = {
  ...strangersLimits,
  connections: 5,
  messagesPerConnection: 50,
  messagesPerSecond: null,
};

const postfixKeywords = ['PIPELINING', 'SIZE 51200000', 'STARTTLS', 'ENHANCEDSTATUSCODES', '8BITMIME', 'DSN'];
const microsoftKeywords = [
  'SIZE 49283072',
  'PIPELINING',
  'DSN',
  'ENHANCEDSTATUSCODES',
  'STARTTLS',
  '8BITMIME',
  'BINARYMIME',
  'CHUNKING',
];

const common = { unknownUserAt: 'rcpt', greylistMs: 0, manner: wellMannered } as const;

const google: ProviderSpec = {
  ...common,
  name: 'google',
  weight: 40,
  domains: [
    {
      domain: 'gmail.example',
      mx: [
        [5, 'gmail-smtp-in.l.google.com'],
        [10, 'alt1.gmail-smtp-in.l.google.com'],
        [20, 'alt2.gmail-smtp-in.l.google.com'],
        [30, 'alt3.gmail-smtp-in.l.google.com'],
        [40, 'alt4.gmail-smtp-in.l.google.com'],
      ],
    },
    ...['bakery.example', 'bicycles.example'].map((domain) => ({ domain, mx: googleWorkspace() })),
  ],
  host: 'mx.google.com',
  banner: 'ESMTP {id} - gsmtp',
  keywords: ['SIZE 157286400', '8BITMIME', 'STARTTLS', 'ENHANCEDSTATUSCODES', 'PIPELINING', 'CHUNKING'],
  limits: fewConnections,
  texts: gmailTexts,
};

const outlook: ProviderSpec = {
  ...common,
  name: 'outlook',
  weight: 20,
  domains: ['outlook.example', 'hotmail.example'].map((domain) => ({
    domain,
    mx: [[10, `${domain.replace('.', '-')}.olc.protection.outlook.com`]],
  })),
  host: 'BN8NAM11FT068.mail.protection.outlook.com',
  banner: 'Microsoft ESMTP MAIL Service ready',
  keywords: microsoftKeywords,
  limits: fewConnections,
  texts: outlookTexts,
};

const office365: ProviderSpec = {
  ...outlook,
  name: 'office365',
  weight: 8,
  domains: ['contoso.example', 'fabrikam.example'].map((domain) => ({
    domain,
    mx: [[0, `${domain.replace('.', '-')}.mail.protection.outlook.com`]],
  })),
  host: 'DB8EUR05FT011.mail.protection.outlook.com',
  texts: office365Texts,
};

const yahoo: ProviderSpec = {
  ...common,
  name: 'yahoo',
  weight: 15,
  domains: ['yahoo.example', 'aol.example'].map((domain) => ({
    domain,
    mx: equal(['mta5.am0.yahoodns.net', 'mta6.am0.yahoodns.net', 'mta7.am0.yahoodns.net']),
  })),
  host: 'mtaproxy507.free.mail.bf1.yahoo.com',
  banner: 'ESMTP ready',
  keywords: ['PIPELINING', 'SIZE 41943040', '8BITMIME', 'STARTTLS'],
  limits: { ...fewConnections, connections: 20, messagesPerConnection: 20, closesWhenFull: true },
  texts: yahooTexts,
  unknownUserAt: 'dot',
};

const apple: ProviderSpec = {
  ...common,
  name: 'apple',
  weight: 5,
  domains: ['icloud.example', 'me.example'].map((domain) => ({
    domain,
    mx: equal(['mx01.mail.icloud.com', 'mx02.mail.icloud.com']),
  })),
  host: 'p00-icloudmta-smtpin-us-east-1a.mail.icloud.com',
  banner: 'ESMTP iCloud Inbound SMTP',
  keywords: postfixKeywords,
  limits: { ...fewConnections, connections: 10, messagesPerConnection: 5 },
  texts: appleTexts,
};

const exchange: ProviderSpec = {
  ...common,
  name: 'exchange',
  weight: 4,
  domains: [
    {
      domain: 'corp-exchange.example',
      mx: [
        [10, 'mx1.corp-exchange.example'],
        [20, 'mx2.corp-exchange.example'],
      ],
    },
  ],
  host: 'mx1.corp-exchange.example',
  banner: 'Microsoft ESMTP MAIL Service ready',
  keywords: microsoftKeywords,
  limits: strangersLimits,
  texts: exchangeTexts,
  greylistMs: 5_000,
};

/** An Exim with two domains, without TLS: nothing is wrong with it, and nobody knows it. */
const harbour: ProviderSpec = {
  ...common,
  name: 'harbour',
  weight: 4,
  domains: ['harbour.example', 'lighthouse.example'].map((domain) => ({
    domain,
    mx: [[10, 'mx.harbour.example']],
  })),
  host: 'mx.harbour.example',
  banner: 'ESMTP Exim 4.98',
  keywords: ['SIZE 52428800', '8BITMIME', 'PIPELINING'],
  limits: strangersLimits,
  texts: eximTexts,
};

const tarpit: ProviderSpec = {
  ...sick('tarpit'),
  // Sendmail that lets nobody hurry.
  keywords: ['ENHANCEDSTATUSCODES', '8BITMIME'],
  manner: { ...wellMannered, shares: {}, bannerMs: 5_000, byteMs: 20 },
};

const blackHole: ProviderSpec = {
  ...sick('black-hole'),
  manner: { ...wellMannered, shares: {}, door: 'silent' },
};

const cutAfterDot: ProviderSpec = {
  ...sick('cut-after-dot'),
  manner: { ...wellMannered, cuts: { dot: 1 / 5 } },
};

const slowAnswer: ProviderSpec = {
  ...sick('slow-answer'),
  // qmail: no SIZE, no enhanced codes, no TLS.
  keywords: ['PIPELINING', '8BITMIME'],
  manner: { ...wellMannered, shares: {}, answerMs: 20_000 },
};

export const PROVIDERS: readonly ProviderSpec[] = [
  google,
  outlook,
  office365,
  yahoo,
  apple,
  exchange,
  harbour,
  tarpit,
  blackHole,
  cutAfterDot,
  slowAnswer,
];

/** The spec of that name, as it is or to be changed: `{ ...providerSpec('google'), limits }`. */
export function providerSpec(name: string): ProviderSpec {
  const spec = PROVIDERS.find((provider) => provider.name === name);
  if (!spec)
    throw new Error(
      `The city has no provider ${name}; it has ${PROVIDERS.map((provider) => provider.name).join(', ')}.`,
    );
  return spec;
}

function sick(name: string): ProviderSpec {
  const host = `mx.${name}.example`;
  return {
    ...common,
    name,
    weight: 1,
    domains: [{ domain: `${name}.example`, mx: [[10, host]] }],
    host,
    banner: 'ESMTP Postfix',
    keywords: postfixKeywords,
    limits: strangersLimits,
    texts: postfixTexts,
  };
}

function googleWorkspace(): MxSet {
  return [
    [1, 'aspmx.l.google.com'],
    [5, 'alt1.aspmx.l.google.com'],
    [5, 'alt2.aspmx.l.google.com'],
    [10, 'alt3.aspmx.l.google.com'],
    [10, 'alt4.aspmx.l.google.com'],
  ];
}

function equal(hosts: string[]): MxSet {
  return hosts.map((host) => [10, host]);
}
