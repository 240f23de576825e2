/** The city's process. See city.ts for what it is for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { serveHelper } from '../support/helper-process.ts';
import { DnsServer } from './dns-server.ts';
import { Ledger } from './ledger.ts';
import type { CityQuestion, CityReport, Plan } from './protocol.ts';
import { Provider } from './provider.ts';
import { ProviderServer } from './provider-server.ts';
import { ODD_DOMAINS, Zone } from './zone.ts';

interface OpenCity {
  resolver: string;
  mxPort: number;
  zone: Zone;
  ledger: Ledger;
  servers: ProviderServer[];
}

const RESOLVER_ADDRESS = '127.0.0.1';
const PORT_TRIES = 20;

const testdata = join(import.meta.dirname, 'testdata');
const secureContext = createSecureContext({
  key: readFileSync(join(testdata, 'test-only.key')),
  cert: readFileSync(join(testdata, 'test-only.crt')),
});
let city: OpenCity | undefined;

serveHelper(answerTo, async () => city?.ledger.close());

async function answerTo(question: CityQuestion): Promise<CityReport> {
  if (question.kind === 'open') city = await open(question.plan);
  if (!city) throw new Error('the city is not open');
  if (question.kind === 'change')
    city.servers.find(({ provider }) => provider.spec.name === question.provider)?.change(question.change);
  if (question.kind === 'records') city.zone.set(question.records);
  return report(city);
}

async function report({ resolver, mxPort, ledger, servers }: OpenCity): Promise<CityReport> {
  await ledger.flush();
  return { resolver, mxPort, providers: servers.map(({ provider }) => provider.report()) };
}

async function open(plan: Plan): Promise<OpenCity> {
  const zone = new Zone(plan.providers);
  const ledger = new Ledger(plan.ledgerFile);
  const onePort = async (wanted: number) => {
    const servers = plan.providers.map((spec) => newServer(plan, spec, ledger));
    try {
      let port = wanted;
      for (const [at, server] of servers.entries())
        port = await server.listen(plan.providers[at]?.address ?? '', port);
      return { port, servers };
    } catch (error) {
      for (const server of servers) server.close();
      throw error;
    }
  };
  const { port, servers } = await freePort(plan.mxPort, onePort);
  const dnsPort = await freePort(0, () => new DnsServer(zone).listen(RESOLVER_ADDRESS, 0));
  return { resolver: `${RESOLVER_ADDRESS}:${dnsPort}`, mxPort: port, zone, ledger, servers };
}

function newServer(plan: Plan, spec: Plan['providers'][number], ledger: Ledger): ProviderServer {
  const otherDomains = [ODD_DOMAINS.withoutMx];
  return new ProviderServer(new Provider({ spec, seed: plan.seed, ledger, otherDomains }), secureContext);
}

/** A port that the system gave may be taken on the next address, or for UDP: then another one is tried. */
async function freePort<T>(wanted: number, listen: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await listen(wanted);
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (!isTaken || wanted !== 0 || tries === PORT_TRIES) throw error;
    }
  }
}
