/** What the API is, for programs (/openapi.json) and for people (/docs). */
import { createHash } from 'node:crypto';
import Type from 'typebox';
import { docsPage, STYLE } from './docs-page.ts';
import { endpoint, ok } from './endpoint.ts';
import type { OpenApi } from './openapi.ts';
import { media } from './schemas.ts';

export const openapi = endpoint({
  summary: 'This API as an OpenAPI 3.1 document',
  scope: 'public',
  idempotency: 'none',
  responses: { 200: media('application/json', Type.Object({})) },
  run: async ({ services }) => ok(documentsOf(services.openApi).json, { 'content-type': 'application/json' }),
});

/** Nothing is fetched and nothing runs: the one style sheet is allowed by its hash. */
const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;

export const page = endpoint({
  summary: 'This API as a page to read',
  scope: 'public',
  idempotency: 'none',
  responses: { 200: media('text/html') },
  run: async ({ services }) =>
    ok(documentsOf(services.openApi).page, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': POLICY,
    }),
});

const documents = new WeakMap<OpenApi, { json: Buffer; page: Buffer }>();

/** Written once: they are large, and anybody may ask for them. */
function documentsOf(openApi: OpenApi): { json: Buffer; page: Buffer } {
  const written = documents.get(openApi) ?? {
    json: Buffer.from(JSON.stringify(openApi)),
    page: Buffer.from(docsPage(openApi)),
  };
  documents.set(openApi, written);
  return written;
}
