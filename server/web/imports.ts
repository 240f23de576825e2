/**
 * Imports. The file is the body of the request and is merged while it arrives, so the answer is the import's end; how far it
 * is, another request can ask. A client that is cut off sends the same file again, and it goes on behind what is merged.
 */
import Type, { type Static } from 'typebox';
import { ATTRIBUTE_TYPES, type AttributeType } from '../audience/attributes.ts';
import { REJECTS_DAYS, REJECTS_MAX } from '../audience/import-rejects-kept.ts';
import { importUpload, rejectsCsv, type UploadReport } from '../audience/import-upload.ts';
import { findImport, IMPORT_STATES, type ImportRow, importPage } from '../audience/queries-imports.ts';
import { findListById } from '../audience/queries-lists.ts';
import { ListName } from './audience-schemas.ts';
import { type ApiRequest, created, endpoint, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { invalid, notFound } from './problem.ts';
import { Id, media, nullable, oneOf, strict, Time } from './schemas.ts';

const FILE_BYTES_MAX = 1_000_000_000;
const IMPORT_MS_MAX = 30 * 60_000;

const COUNTS = {
  created: Type.Integer(),
  updated: Type.Integer(),
  unchanged: Type.Integer(),
  duplicates: Type.Integer({ description: 'Records about somebody of whom an earlier one told.' }),
  rejected: Type.Integer(),
  kept_unsubscribed: Type.Integer({
    description: 'Had left the list, and stay away; they are in the other counts too.',
  }),
};

const ImportSchema = strict(
  {
    id: Id,
    list_id: Id,
    file_name: Type.String(),
    state: oneOf(IMPORT_STATES, { description: '`running` is also one that was interrupted.' }),
    records_done: Type.Integer({ description: 'Merged: the sum of the next five.' }),
    ...COUNTS,
    bytes_done: Type.Integer(),
    bytes_total: nullable(Type.Integer()),
    error: nullable(Type.String()),
    created_at: Time,
    progressed_at: Time,
    finished_at: nullable(Time),
  },
  { $id: 'Import' },
);

const PreviewSchema = strict(
  {
    records: Type.Integer(),
    ...COUNTS,
    first_rejects: Type.Array(
      strict({
        line: Type.Integer(),
        column: Type.String(),
        value: Type.String(),
        reason: Type.String(),
      }),
    ),
  },
  { $id: 'ImportPreview' },
);

const Pair = Type.String({ minLength: 3, maxLength: 500, pattern: '^[^=]+=.+$' });
const PAIRS_MAX = 500;

export const create = endpoint({
  summary: 'Import a CSV file of contacts',
  description:
    'The body is the file, of any length; it is merged while it arrives, and the answer tells the end. Cut off, send the same file with the same parameters again: it goes on behind what is merged. Nobody who left the list comes back. A dry run reads all of it, changes nothing and answers 200.',
  scope: 'contacts:write',
  idempotency: 'optional',
  load: 'bulk',
  upload: ['text/csv'],
  bodyBytesMax: FILE_BYTES_MAX,
  deadlineMs: IMPORT_MS_MAX,
  query: {
    list: Type.Optional({
      ...ListName,
      description: 'The name of the list; it is made when it is not there.',
    }),
    list_id: Type.Optional(Type.String({ format: 'uuid', description: 'Instead of its name.' })),
    map: Type.Optional(
      Type.Array(Pair, {
        maxItems: PAIRS_MAX,
        description: 'What a column means: `email=E-Mail`, `city=Town`. The rest is guessed from the titles.',
      }),
    ),
    type: Type.Optional(
      Type.Array(Pair, { maxItems: PAIRS_MAX, description: 'Of an attribute: `age=number`, `vip=boolean`.' }),
    ),
    status: Type.Optional(
      oneOf(['subscribed', 'unconfirmed'] as const, { description: 'Of those who are new on the list.' }),
    ),
    dry_run: Type.Optional(Type.Boolean()),
    file_name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  },
  responses: { 200: PreviewSchema, 201: ImportSchema },
  problems: ['conflict', 'not-found', 'refused'],
  async run(request) {
    const { services, workspaceId } = request;
    const report = await importUpload(await uploadOf(request));
    const { importId } = report;
    if (importId === null) return ok(previewOf(report));
    const row = await services.database.readWorkspace(workspaceId, (tx) =>
      findImport(tx, workspaceId, importId),
    );
    if (!row) throw new Error(`the import ${importId} is gone`);
    return created(`/v1/imports/${importId}`, jsonOf(row));
  },
});

interface Query {
  list?: string;
  list_id?: string;
  map?: string[];
  type?: string[];
  status?: 'subscribed' | 'unconfirmed';
  dry_run?: boolean;
  file_name?: string;
}

async function uploadOf(request: ApiRequest<unknown, Query>): Promise<Parameters<typeof importUpload>[0]> {
  const { query, headers, upload, services, principal, address, scope } = request;
  const length = headers['content-length'];
  const digest = headers['content-digest'];
  return {
    database: services.database,
    actor: principal,
    address,
    scope,
    listName: await listNameOf(request),
    mapping: readPairs(query.map ?? [], '/query/map'),
    types: readTypes(query.type ?? []),
    status: query.status ?? 'subscribed',
    dryRun: query.dry_run ?? false,
    file: {
      name: query.file_name ?? 'upload.csv',
      content: upload,
      bytesTotal: length === undefined ? null : Number(length),
      digest: digest === undefined ? null : String(digest),
    },
  };
}

async function listNameOf({ query, services, workspaceId }: ApiRequest<unknown, Query>): Promise<string> {
  const { list: name, list_id: id } = query;
  if (name !== undefined && id !== undefined)
    throw invalid('/query/list_id', 'is given beside list: give one');
  if (name !== undefined) return name;
  if (id === undefined) throw invalid('/query/list', 'is missing, and so is list_id: say which list');
  const found = await services.database.readWorkspace(workspaceId, (tx) => findListById(tx, workspaceId, id));
  if (!found) throw notFound('list');
  return found.name;
}

/** `["city=Town"]` → `{ city: "Town" }`. */
function readPairs(pairs: readonly string[], path: string): Record<string, string> {
  const read = pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
  const fields = read.map(([field]) => field);
  const twice = fields.findIndex((field, index) => fields.indexOf(field) !== index);
  if (twice >= 0) throw invalid(`${path}/${twice}`, `says for the second time what ${fields[twice]} is`);
  return Object.fromEntries(read);
}

function readTypes(pairs: readonly string[]): Record<string, AttributeType> {
  const types = Object.entries(readPairs(pairs, '/query/type')).map(([field, word], index) => {
    const type = ATTRIBUTE_TYPES.find((one) => one === word);
    if (type) return [field, type] as const;
    throw invalid(`/query/type/${index}`, `must be ${field}= and one of ${ATTRIBUTE_TYPES.join(', ')}`);
  });
  return Object.fromEntries(types);
}

export const list = endpoint({
  summary: 'Imports, newest first',
  scope: 'contacts:read',
  idempotency: 'none',
  query: PAGE_QUERY,
  responses: { 200: pageSchema(ImportSchema) },
  async handle({ query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Id);
    const rows = await importPage(tx, workspaceId, after, limit + 1);
    return ok(pageOf(rows, limit, { item: jsonOf, key: ({ id }) => id }));
  },
});

export const show = endpoint({
  summary: 'An import, and how far it is',
  scope: 'contacts:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: ImportSchema },
  problems: ['not-found'],
  async handle({ params, workspaceId }, tx) {
    const row = await findImport(tx, workspaceId, params.id);
    if (!row) throw notFound('import');
    return ok(jsonOf(row));
  },
});

export const rejects = endpoint({
  summary: 'The records that an import rejected, as CSV',
  description: `Line, column, value and reason, then the record as it was. The first ${REJECTS_MAX} of an upload are kept, for ${REJECTS_DAYS} days; a very long record without its cells. \`camp import\` writes a file instead, and has none here.`,
  scope: 'contacts:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: media('text/csv') },
  problems: ['not-found'],
  async run({ params, services, workspaceId }) {
    const { database } = services;
    const row = await database.readWorkspace(workspaceId, (tx) => findImport(tx, workspaceId, params.id));
    if (!row) throw notFound('import');
    const headers = {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="rejects-${row.id}.csv"`,
    };
    return ok(rejectsCsv(database, workspaceId, row), headers);
  },
});

function jsonOf(row: ImportRow): Static<typeof ImportSchema> {
  return {
    id: row.id,
    list_id: row.listId,
    file_name: row.fileName,
    state: row.state,
    records_done: row.recordsDone,
    created: row.created,
    updated: row.updated,
    unchanged: row.unchanged,
    duplicates: row.duplicates,
    rejected: row.rejected,
    kept_unsubscribed: row.keptUnsubscribed,
    bytes_done: row.bytesDone,
    bytes_total: row.bytesTotal,
    error: row.error,
    created_at: row.createdAt.toISOString(),
    progressed_at: row.progressedAt.toISOString(),
    finished_at: row.finishedAt?.toISOString() ?? null,
  };
}

function previewOf(report: UploadReport): Static<typeof PreviewSchema> {
  return {
    records: report.records,
    created: report.created,
    updated: report.updated,
    unchanged: report.unchanged,
    duplicates: report.duplicates,
    rejected: report.rejected,
    kept_unsubscribed: report.keptUnsubscribed,
    first_rejects: report.firstRejects.map(({ line, column, value, reason }) => ({
      line,
      column,
      value,
      reason,
    })),
  };
}
