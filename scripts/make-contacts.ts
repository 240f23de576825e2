/**
 * Writes examples/contacts.csv: 10,000 people who do not exist, always the same ones.
 *
 *     scripts/node scripts/make-contacts.ts > examples/contacts.csv
 *
 * Every address is under .example (RFC 2606), so that no mistake with this file can reach anybody.
 */
import { seededRandom } from '../test/support/random.ts';

const CONTACTS = 10_000;
const SEED = 20_260_101;

interface Region {
  country: string;
  weight: number;
  cities: string[];
  firstNames: string[];
  lastNames: string[];
  /** The family name stands first in the full name, without a space. */
  isFamilyFirst?: boolean;
}

/** A name in another script stands with its spelling in an address: `written = spelled`. */
const REGIONS: Region[] = [
  {
    country: 'United States',
    weight: 20,
    cities: [
      'Austin',
      'Boston',
      'Chicago',
      'Denver',
      'Portland',
      'San José',
      'Washington, D.C.',
      "Coeur d'Alene",
    ],
    firstNames: [
      'Ava',
      'Liam',
      'Emma',
      'Noah',
      'Mia',
      'Ethan',
      'Zoë',
      'Tyrone',
      'Grace',
      'Jamal',
      'Olivia',
      'Hank',
    ],
    lastNames: [
      'Miller',
      'Johnson',
      "O'Brien",
      'Davis',
      'Nguyen',
      'Washington',
      'Cohen',
      'Rossi',
      'Clark',
      'Baker',
    ],
  },
  {
    country: 'United Kingdom',
    weight: 12,
    cities: ['London', 'Leeds', 'Bristol', 'Cardiff', 'Glasgow', 'Newcastle upon Tyne', "King's Lynn"],
    firstNames: ['Oliver', 'Amelia', 'George', 'Isla', 'Siân', 'Harry', 'Poppy', 'Rhys', 'Freya', 'Imran'],
    lastNames: [
      'Smith',
      'Jones',
      'Taylor',
      'Patel',
      'MacDonald',
      "D'Arcy",
      'Evans',
      'Fitzgerald-Moore',
      'Wright',
    ],
  },
  {
    country: 'Ireland',
    weight: 4,
    cities: ['Dublin', 'Cork', 'Galway', 'Dún Laoghaire'],
    firstNames: ['Aoife', 'Ciarán', 'Niamh', 'Seán', 'Róisín', 'Pádraig'],
    lastNames: ["O'Neill", 'Murphy', "O'Sullivan", 'Ní Dhomhnaill', 'Byrne', 'Kelly'],
  },
  {
    country: 'Germany',
    weight: 12,
    cities: ['Berlin', 'Köln', 'München', 'Düsseldorf', 'Halle (Saale)', 'Gießen', 'Leipzig'],
    firstNames: [
      'Jürgen',
      'Anke',
      'Björn',
      'Käthe',
      'Lukas',
      'Sophie',
      'Günther',
      'Mareike',
      'Jörg',
      'Hanna',
    ],
    lastNames: [
      'Müller',
      'Schröder',
      'Weiß',
      'Krüger',
      'von der Heide',
      'Schäfer',
      'Bäcker',
      'Vogel',
      'Köhler',
    ],
  },
  {
    country: 'France',
    weight: 10,
    cities: ['Paris', 'Lyon', 'Saint-Étienne', "L'Haÿ-les-Roses", 'Besançon', 'Nîmes'],
    firstNames: ['Chloé', 'François', 'Zoé', 'Benoît', 'Anaïs', 'Jean-Luc', 'Hélène', 'Loïc', 'Maëlle'],
    lastNames: ['Lefèvre', 'Dupont', 'Garçon', "D'Alembert", 'Noël', 'Béranger', 'Le Goff', 'Moreau'],
  },
  {
    country: 'Spain',
    weight: 8,
    cities: ['Madrid', 'Málaga', 'A Coruña', 'Barcelona', 'Logroño'],
    firstNames: ['José', 'María', 'Begoña', 'Íñigo', 'Lucía', 'Andrés', 'Núria', 'Martín'],
    lastNames: ['García', 'Núñez', 'Ibáñez', 'Muñoz López', 'Peña', 'Fernández', 'Puig i Cadafalch'],
  },
  {
    country: 'Brazil',
    weight: 6,
    cities: ['São Paulo', 'Brasília', 'Florianópolis', 'Salvador'],
    firstNames: ['João', 'Antônia', 'Thaís', 'Caíque', 'Luíza', 'Otávio'],
    lastNames: ['Gonçalves', 'da Conceição', 'Araújo', 'Simões', 'Magalhães'],
  },
  {
    country: 'Poland',
    weight: 6,
    cities: ['Łódź', 'Kraków', 'Gdańsk', 'Wrocław'],
    firstNames: ['Łukasz', 'Małgorzata', 'Zbigniew', 'Agnieszka', 'Józef', 'Żaneta'],
    lastNames: ['Wójcik', 'Dąbrowski', 'Łoś', 'Źrebiec', 'Kowalska', 'Święty'],
  },
  {
    country: 'Sweden',
    weight: 5,
    cities: ['Malmö', 'Göteborg', 'Umeå', 'Örebro'],
    firstNames: ['Åsa', 'Göran', 'Märta', 'Oskar', 'Linnéa', 'Björn'],
    lastNames: ['Åkesson', 'Öberg', 'Sjöström', 'Lindqvist', 'Ängström'],
  },
  {
    country: 'Türkiye',
    weight: 4,
    cities: ['İstanbul', 'İzmir', 'Çanakkale', 'Eskişehir'],
    firstNames: ['Ayşe', 'Çağla', 'Işıl', 'Ömer', 'Gökçe', 'Tuğba'],
    lastNames: ['Yılmaz', 'Şahin', 'Öztürk', 'Çelik', 'Doğan'],
  },
  {
    country: 'Vietnam',
    weight: 3,
    cities: ['Hà Nội', 'Đà Nẵng', 'Huế'],
    firstNames: ['Hương', 'Đức', 'Thảo', 'Minh', 'Phượng'],
    lastNames: ['Nguyễn', 'Trần', 'Phạm', 'Đặng'],
  },
  {
    country: 'Greece',
    weight: 2,
    cities: ['Αθήνα', 'Θεσσαλονίκη', 'Πάτρα'],
    firstNames: ['Ελένη = eleni', 'Γιώργος = giorgos', 'Δήμητρα = dimitra'],
    lastNames: ['Παπαδόπουλος = papadopoulos', 'Αγγελίδου = angelidou'],
  },
  {
    country: 'Japan',
    weight: 4,
    cities: ['東京', '大阪', '札幌', '京都'],
    firstNames: ['美咲 = misaki', '健太 = kenta', '陽菜 = hina', 'さくら = sakura', '大輔 = daisuke'],
    lastNames: ['佐藤 = sato', '鈴木 = suzuki', '高橋 = takahashi', '渡辺 = watanabe'],
    isFamilyFirst: true,
  },
  {
    country: 'China',
    weight: 3,
    cities: ['上海', '北京', '成都'],
    firstNames: ['伟 = wei', '秀英 = xiuying', '欣怡 = xinyi', '浩然 = haoran'],
    lastNames: ['王 = wang', '李 = li', '张 = zhang', '欧阳 = ouyang'],
    isFamilyFirst: true,
  },
  {
    country: 'South Korea',
    weight: 1,
    cities: ['서울', '부산'],
    firstNames: ['민준 = minjun', '서연 = seoyeon', '지우 = jiwoo'],
    lastNames: ['김 = kim', '박 = park', '최 = choi'],
    isFamilyFirst: true,
  },
];

const DOMAINS: [domain: string, weight: number][] = [
  ['gmail.example', 30],
  ['outlook.example', 14],
  ['yahoo.example', 10],
  ['icloud.example', 8],
  ['hotmail.example', 5],
  ['gmx.example', 4],
  ['proton.example', 3],
  ['acme.example', 3],
  ['globex.example', 3],
  ['initech.example', 3],
  ['umbrella-labs.example', 2],
  ['mail.northwind.example', 2],
];
/** The rest: small firms with a few people each. */
const FIRMS = 400;
const FIRMS_WEIGHT = 13;

const PLANS: [plan: string, weight: number][] = [
  ['free', 60],
  ['starter', 22],
  ['pro', 13],
  ['business', 5],
];

const LETTERS: Record<string, string> = {
  ß: 'ss',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ı: 'i',
  ä: 'ae',
  ö: 'oe',
  ü: 'ue',
};

const TITLES = ['PhD', 'MD', 'Jr.', 'MBA'];
const NAMELESS_SHARE = 0.04;
const TITLED_SHARE = 0.01;
const CITYLESS_SHARE = 0.05;
const FIRST_DAY = Date.UTC(2020, 0, 1);
const DAYS = 2_190;
const DAY_MS = 86_400_000;

type Random = () => number;

process.stdout.write([...makeContacts()].map(toCsv).join(''));

function* makeContacts(): Generator<string[]> {
  yield ['email', 'name', 'first_name', 'city', 'country', 'plan', 'signed_up'];
  const random = seededRandom(SEED);
  const taken = new Set<string>();
  for (let i = 0; i < CONTACTS; i++) yield makeContact(random, taken);
}

function makeContact(random: Random, taken: Set<string>): string[] {
  const region = pickWeighted(
    random,
    REGIONS.map((candidate) => [candidate, candidate.weight]),
  );
  const [first, firstSpelled] = spellings(pick(random, region.firstNames));
  const [last, lastSpelled] = spellings(pick(random, region.lastNames));
  const title = random() < TITLED_SHARE ? `, ${pick(random, TITLES)}` : '';
  const fullName = region.isFamilyFirst ? `${last}${first}` : `${first} ${last}${title}`;
  const isNameless = random() < NAMELESS_SHARE;
  const city = random() < CITYLESS_SHARE ? '' : pick(random, region.cities);
  const plan = pickWeighted(random, PLANS);
  const signedUp = new Date(FIRST_DAY + Math.floor(random() * DAYS) * DAY_MS).toISOString().slice(0, 10);
  const email = makeEmail(random, firstSpelled, lastSpelled, taken);
  return [email, isNameless ? '' : fullName, isNameless ? '' : first, city, region.country, plan, signedUp];
}

function spellings(name: string): [written: string, spelled: string] {
  const [written = '', spelled = written] = name.split(' = ');
  return [written, toAscii(spelled)];
}

function toAscii(name: string): string {
  return name
    .toLowerCase()
    .replace(/[ßøłđıäöü]/g, (letter) => LETTERS[letter] ?? letter)
    .normalize('NFD')
    .replace(/[^a-z-]/g, '');
}

function makeEmail(random: Random, first: string, last: string, taken: Set<string>): string {
  const domain = pickWeighted<string | undefined>(random, [...DOMAINS, [undefined, FIRMS_WEIGHT]]);
  const host = domain ?? `firm-${1 + Math.floor(random() * FIRMS)}.example`;
  const local = pick(random, [
    `${first}.${last}`,
    `${first}${last}`,
    `${first[0]}.${last}`,
    `${first}_${last}`,
    `${first}.${last}${1950 + Math.floor(random() * 60)}`,
    `${first}+news`,
  ]);
  for (let number = 1; ; number++) {
    const email = `${local.replace(/(\+news)?$/, number > 1 ? `${number}$1` : '$1')}@${host}`;
    if (taken.has(email)) continue;
    taken.add(email);
    return email;
  }
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)] as T;
}

function pickWeighted<T>(random: Random, values: readonly (readonly [value: T, weight: number])[]): T {
  let rest = random() * values.reduce((sum, [, weight]) => sum + weight, 0);
  const found = values.find(([, weight]) => {
    rest -= weight;
    return rest < 0;
  });
  return (found ?? (values[0] as readonly [T, number]))[0];
}

function toCsv(cells: string[]): string {
  return `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\n`;
}
