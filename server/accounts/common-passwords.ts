/**
 * Passwords that are tried first: some thousands of 12 characters and more, made of the patterns that people fall back on
 * when they are asked for a long one. They are patterns, and no list of passwords that were stolen somewhere: a word with
 * the usual ending, two words, a word in place of whose letters stand digits, a walk over the keyboard, a count.
 */

const WORDS = [
  ...['password', 'passwort', 'passphrase', 'secret', 'welcome', 'letmein', 'changeme', 'default', 'admin'],
  ...['administrator', 'superuser', 'system', 'login', 'access', 'master', 'server', 'internet', 'computer'],
  ...[
    'company',
    'business',
    'marketing',
    'newsletter',
    'campaign',
    'camp',
    'testing',
    'test',
    'demo',
    'temp',
  ],
  ...[
    'qwerty',
    'qwertz',
    'azerty',
    'asdfgh',
    'zxcvbn',
    'qazwsx',
    'abc',
    'abcd',
    'abcdef',
    'iloveyou',
    'love',
  ],
  ...[
    'trustno',
    'whatever',
    'freedom',
    'sunshine',
    'princess',
    'dragon',
    'monkey',
    'shadow',
    'hunter',
    'tiger',
  ],
  ...[
    'football',
    'baseball',
    'basketball',
    'soccer',
    'hockey',
    'superman',
    'batman',
    'spiderman',
    'starwars',
  ],
  ...[
    'pokemon',
    'minecraft',
    'michael',
    'jessica',
    'jennifer',
    'charlie',
    'thomas',
    'daniel',
    'ashley',
    'maria',
  ],
  ...[
    'summer',
    'winter',
    'spring',
    'autumn',
    'january',
    'february',
    'march',
    'april',
    'june',
    'july',
    'august',
  ],
  ...[
    'september',
    'october',
    'november',
    'december',
    'monday',
    'friday',
    'sunday',
    'london',
    'berlin',
    'paris',
  ],
  ...['america', 'canada', 'germany', 'chocolate', 'flower', 'butterfly', 'rainbow', 'diamond', 'forever'],
  ...['mustang', 'ferrari', 'porsche', 'mercedes', 'samsung', 'google', 'facebook', 'linkedin', 'instagram'],
  ...['qwertyuiop', 'qwertzuiop', 'azertyuiop', 'asdfghjkl', 'zxcvbnm', 'yxcvbnm', '1qaz2wsx', '1q2w3e4r'],
];

/** Two of these make one password. */
const FREQUENT_WORDS = WORDS.slice(0, 50);

const YEAR_FIRST = 1980;
const YEAR_LAST = 2040;
const COUNTS = Array.from({ length: 10 }, (_, index) => '1234567890'.slice(0, index + 1));
const YEARS = Array.from({ length: YEAR_LAST - YEAR_FIRST + 1 }, (_, index) => String(YEAR_FIRST + index));
const NUMBERS = [
  ...COUNTS,
  ...YEARS,
  '321',
  '111',
  '000',
  '007',
  '666',
  '777',
  '69',
  '99',
  '123123',
  '112233',
];
const ENDINGS = [
  '',
  '!',
  '!!',
  ...NUMBERS.flatMap((number) => [number, `${number}!`, `${number}!!`, `@${number}`]),
];

/** Lines of keys, and of letters and digits, as a finger goes along them. */
const WALKS = [
  ...[
    '1234567890',
    'qwertyuiop',
    'asdfghjkl',
    'zxcvbnm',
    'qwertzuiop',
    'yxcvbnm',
    'azertyuiop',
    'qsdfghjklm',
  ],
  ...['1qaz2wsx3edc4rfv5tgb6yhn', 'qazwsxedcrfvtgbyhnujm', 'q1w2e3r4t5y6u7i8o9p0', '1q2w3e4r5t6y7u8i9o0p'],
  ...['abcdefghijklmnopqrstuvwxyz', 'a1b2c3d4e5f6g7h8i9', '12qwaszx34erdfcv', 'qwerasdfzxcv', '147258369'],
];

export const COMMON_LENGTH_MIN = 12;
const WALK_LENGTH_MAX = 24;
const DISTINCT_MIN = 5;

let common: Set<string> | undefined;

export function isCommon(password: string): boolean {
  common ??= new Set(commonPasswords());
  const plain = password.toLowerCase();
  return common.has(plain) || new Set(plain).size < DISTINCT_MIN;
}

/** All of them, in lower case. */
export function commonPasswords(): Set<string> {
  const spelt = [...new Set(WORDS.flatMap(spellings))];
  const made = [
    ...spelt.flatMap((word) => ENDINGS.map((ending) => word + ending)),
    ...FREQUENT_WORDS.flatMap((first) => FREQUENT_WORDS.map((second) => first + second)),
    ...WORDS.flatMap((word) => [
      word.repeat(3),
      ...['', '!', ...COUNTS].map((ending) => word.repeat(2) + ending),
    ]),
    ...WALKS.flatMap(walksAlong),
  ];
  return new Set(made.filter((password) => password.length >= COMMON_LENGTH_MIN));
}

/** `password` → also `passw0rd`, `p@ssword`, `p@$$w0rd`. */
function spellings(word: string): string[] {
  const digits = word.replaceAll('o', '0').replaceAll('i', '1').replaceAll('e', '3');
  const symbols = word.replaceAll('a', '@');
  const both = word.replaceAll('a', '@').replaceAll('o', '0').replaceAll('s', '$');
  return [word, word.replaceAll('o', '0'), digits, symbols, symbols.replaceAll('o', '0'), both];
}

/** Stretches of the line, there and back again. */
function walksAlong(line: string): string[] {
  const there = line.repeat(Math.ceil((2 * WALK_LENGTH_MAX) / line.length));
  const back = [...there].reverse().join('');
  const walks: string[] = [];
  for (const way of [there, back])
    for (let start = 0; start < line.length; start += 1)
      for (let length = COMMON_LENGTH_MIN; length <= WALK_LENGTH_MAX; length += 1)
        walks.push(way.slice(start, start + length));
  return walks;
}
