/** `camp seller …`: who issues the invoices for sending credits. */
import type { Command } from 'commander';
import { isSellerSet, type Seller } from '../billing/invoice-parties.ts';
import { sellerOf } from '../billing/invoices.ts';
import { setSeller } from '../billing/seller.ts';
import { type Cli, run } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { table } from './output.ts';

export function sellerCommand(program: Command): void {
  const seller = program.command('seller').description('who issues the invoices for sending credits');
  seller
    .command('set')
    .description('replaces all that was said before, for invoices that are issued from now on')
    .requiredOption('--name <name>', 'the legal name')
    .requiredOption('--country <code>', 'its two letters, such as DE')
    .requiredOption('--email <address>', 'invoices are mailed from here')
    .option('--address <line>', 'street and number')
    .option('--address2 <line>', 'a second line')
    .option('--post-code <code>')
    .option('--city <name>')
    .option('--vat-id <id>', 'VAT identifier; without it no VAT is charged')
    .option('--vat-rate <percent>', 'VAT at home, such as 19 or 7.25', '0')
    .option('--registration <text>', 'number in the companies register')
    .option('--payment-terms <text>', 'how an open invoice is paid, such as a bank account')
    .option('--invoice-series <letters>', 'begins the numbers of invoices', 'INV')
    .option('--credit-note-series <letters>', 'begins the numbers of credit notes', 'CN')
    .action(run(set));
  seller.command('show').description('what the next invoice will say').action(run(show));
}

interface SetFlags {
  name: string;
  country: string;
  email: string;
  address?: string;
  address2?: string;
  postCode?: string;
  city?: string;
  vatId?: string;
  vatRate: string;
  registration?: string;
  paymentTerms?: string;
  invoiceSeries: string;
  creditNoteSeries: string;
}

async function set(cli: Cli, flags: SetFlags): Promise<ExitCode> {
  const { country, address, address2, vatId, vatRate, ...same } = flags;
  const seller = await withDatabase(cli, (database) =>
    setSeller(database, {
      ...same,
      countryCode: country.toUpperCase(),
      ...(address !== undefined && { addressLine1: address }),
      ...(address2 !== undefined && { addressLine2: address2 }),
      ...(vatId !== undefined && { vatIdentifier: vatId }),
      taxRateBasisPoints: basisPointsOf(vatRate),
    }),
  );
  cli.out.say(`Invoices are issued by ${seller.name} from now on.`);
  cli.out.result({ seller });
  return EXIT.ok;
}

/** NaN for what is no percentage with at most two decimals. */
function basisPointsOf(percent: string): number {
  const [, whole, fraction = ''] = /^(\d{1,3})(?:\.(\d{1,2}))?$/.exec(percent) ?? [];
  return whole === undefined ? Number.NaN : Number(whole + fraction.padEnd(2, '0'));
}

async function show(cli: Cli): Promise<ExitCode> {
  const seller = await withDatabase(cli, (database) => database.withSystem((tx) => sellerOf(tx)));
  if (isSellerSet(seller)) cli.out.say(table(rowsOf(seller), ''));
  else cli.out.say('Nobody has said who sells, so nothing is sold: say it with `camp seller set`.');
  cli.out.result({ set: isSellerSet(seller), seller });
  return EXIT.ok;
}

function rowsOf(seller: Seller): string[][] {
  return Object.entries(seller).map(([name, value]) => [
    name.replaceAll(/[A-Z0-9]/g, (letter) => ` ${letter.toLowerCase()}`),
    String(value),
  ]);
}
