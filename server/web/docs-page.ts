/** The OpenAPI document as one page of HTML: no script, nothing from elsewhere, readable as it is. */
import type { JsonObject, OpenApi, Operation } from './openapi.ts';
import { PROBLEMS } from './problem.ts';

export const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1rem 6rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 3rem; text-transform: capitalize; }
h3 { font: 600 1rem ui-monospace, monospace; margin: 2.5rem 0 .25rem; }
h3 a { color: inherit; text-decoration: none; }
code, pre { font: .875rem/1.45 ui-monospace, monospace; }
pre { background: light-dark(#f4f4f5, #1c1c1f); border-radius: .5rem; overflow-x: auto; padding: .75rem 1rem; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .35rem .75rem .35rem 0; text-align: left; vertical-align: top; }
tr + tr { border-top: 1px solid light-dark(#ddd, #333); }
summary { cursor: pointer; }
nav a { display: inline-block; margin-right: 1rem; }`;

export function docsPage(document: OpenApi): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  const byTag = Map.groupBy(operations, ({ operation }) => operation.tags[0] ?? '');
  const sections = [...byTag].map(
    ([tag, group]) => `<h2 id="${tag}">${text(tag)}</h2>${group.map(operationHtml).join('')}`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Camp API</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Camp API</h1>
${paragraphs(String(document.info.description))}
<p>The same for programs: <a href="/openapi.json">/openapi.json</a>.</p>
<nav>${[...byTag.keys(), 'idempotency', 'problems', 'schemas'].map((tag) => `<a href="#${tag}">${text(tag)}</a>`).join('')}</nav>
${sections.join('')}
${IDEMPOTENCY}
<h2 id="problems">Problems</h2>
<table><tr><th>code</th><th>status</th><th>when</th></tr>${Object.entries(PROBLEMS)
    .map(
      ([code, { status, when }]) =>
        `<tr id="problem-${code}"><td><code>${code}</code></td><td>${status}</td><td>${inline(when)}</td></tr>`,
    )
    .join('')}</table>
<h2 id="schemas">Schemas</h2>
${Object.entries(document.components.schemas)
  .map(([name, schema]) => `<h3 id="schema-${name}">${text(name)}</h3>${schemaHtml(schema)}`)
  .join('')}
</body>
</html>
`;
}

const IDEMPOTENCY = `<h2 id="idempotency">Idempotency</h2>
<p>Send a POST with <code>Idempotency-Key: </code> and 16 to 255 visible ASCII characters, new for each intent and the same
for each retry. However often it arrives, it has one effect; who asks again gets the first answer, to the byte, with
<code>Idempotent-Replayed: true</code>, for 72 hours. The key belongs to the workspace and to the whole request: method, URL
and the bytes of the body, so that another order of fields is another request.</p>
<table><tr><th>answer</th><th>what to do</th></tr>
<tr><td>2xx, 402, 404, 409, 410, 412, 422</td><td>It is the answer, and is replayed: to try again after you changed something, take a new key.</td></tr>
<tr><td>402 <code>out-of-credits</code></td><td>Nothing was done and the key is free: buy credits, and repeat it.</td></tr>
<tr><td>409 <code>idempotency-key-in-use</code></td><td>The first request is under way: repeat it after Retry-After, or wait with <code>Prefer: wait=10</code>.</td></tr>
<tr><td>422 <code>idempotency-key-reused</code></td><td>The key was used for another request: that is a mistake in the client.</td></tr>
<tr><td>202 with Location, of what spends money</td><td>Nobody can know yet whether it happened: ask the URL.</td></tr>
<tr><td>400, 401, 403, 413, 415, 429</td><td>Nothing was done and the key is free: correct the request, or come again.</td></tr>
<tr><td>5xx, or no answer</td><td>Repeat it with the same key. It is never kept as an answer.</td></tr></table>`;

interface Shown {
  method: string;
  path: string;
  operation: Operation;
}

function operationHtml({ method, path, operation }: Shown): string {
  const { operationId, summary, description, parameters, requestBody, responses } = operation;
  const rows = parameters.map(
    (parameter) =>
      `<tr><td><code>${text(parameter.name)}</code></td><td>${parameter.in}${parameter.required ? ', required' : ''}</td><td>${inline(String(parameter.description ?? ''))}</td><td>${schemaLine(parameter.schema as JsonObject)}</td></tr>`,
  );
  return `<h3 id="${operationId}"><a href="#${operationId}">${method} ${text(path)}</a></h3>
<p><strong>${text(summary)}.</strong> ${inline(String(description ?? ''))}</p>
${rows.length > 0 ? `<table>${rows.join('')}</table>` : ''}
${requestBody ? `<p>Body</p>${contentHtml(requestBody as JsonObject)}` : ''}
<table>${Object.entries(responses)
    .map(
      ([status, response]) =>
        `<tr><td>${status}</td><td>${responseHtml(Number(status), response as JsonObject)}</td></tr>`,
    )
    .join('')}</table>`;
}

function responseHtml(status: number, response: JsonObject): string {
  if (status < 400) return contentHtml(response) || text(String(response.description));
  const codes = String(response.description).split(', ');
  return codes.map((code) => `<a href="#problem-${code}"><code>${code}</code></a>`).join(', ');
}

function contentHtml({ content }: JsonObject): string {
  const types = Object.entries((content ?? {}) as Record<string, { schema: JsonObject }>);
  return types.map(([type, { schema }]) => `<code>${text(type)}</code>${schemaHtml(schema)}`).join('');
}

function schemaHtml(schema: JsonObject): string {
  return `<pre>${linked(text(JSON.stringify(schema, null, 2)))}</pre>`;
}

function schemaLine(schema: JsonObject): string {
  return `<code>${linked(text(JSON.stringify(schema)))}</code>`;
}

function linked(escaped: string): string {
  return escaped.replaceAll(
    /&quot;#\/components\/schemas\/(\w+)&quot;/g,
    (_, name: string) => `<a href="#schema-${name}">${name}</a>`,
  );
}

function paragraphs(lines: string): string {
  return lines
    .split('\n')
    .map((line) => `<p>${inline(line)}</p>`)
    .join('');
}

/** Escaped, with `words` as code. */
function inline(words: string): string {
  return text(words).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}

function text(words: string): string {
  return words
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
