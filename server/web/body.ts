/** The body of a request: JSON in memory, or an upload as it comes. Size is limited in both. */
import { pipeline, Readable, Transform } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Endpoint } from './endpoint.ts';
import { parseJson } from './json.ts';
import { bodyTooLarge, Problem } from './problem.ts';

/** JSON arrives as the bytes that it is, because an idempotency key covers them; everything else as a stream. */
export function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) =>
    done(null, bytes),
  );
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
}

export interface Body {
  /** Undefined: there is none, or it is an upload. */
  value: unknown;
  upload: Readable | null;
  /** What an idempotency key covers of it. */
  fingerprinted: Buffer;
}

/** Throws a Problem when the endpoint takes no such body. */
export function bodyOf(endpoint: Endpoint, request: FastifyRequest): Body {
  const { body } = request;
  if (endpoint.upload) return uploadOf(endpoint, endpoint.upload, request);
  if (body instanceof Readable)
    throw new Problem('unsupported-media-type', 'The body must be application/json.');
  if (!Buffer.isBuffer(body) || body.length === 0) {
    if (endpoint.body) throw new Problem('invalid-request', 'The body is missing.');
    return { value: undefined, upload: null, fingerprinted: Buffer.alloc(0) };
  }
  return { value: parseJson(body), upload: null, fingerprinted: body };
}

/** Its bytes are not known before it is read, so the key covers what its sender says of them. */
function uploadOf(endpoint: Endpoint, types: readonly string[], { body, headers }: FastifyRequest): Body {
  const [type = ''] = (headers['content-type'] ?? '').split(';');
  const content = Buffer.isBuffer(body) ? Readable.from([body]) : body;
  if (!(content instanceof Readable) || !types.includes(type.trim().toLowerCase()))
    throw new Problem('unsupported-media-type', `The body must be ${types.join(' or ')}.`);
  if (Number(headers['content-length'] ?? 0) > endpoint.bodyBytesMax)
    throw bodyTooLarge(endpoint.bodyBytesMax);
  const said = [headers['content-digest'], headers['content-length'], headers['content-type']];
  return {
    value: undefined,
    upload: pipeline(content, limited(endpoint.bodyBytesMax), () => {}),
    fingerprinted: Buffer.from(JSON.stringify(said)),
  };
}

function limited(bytesMax: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      done(bytes > bytesMax ? bodyTooLarge(bytesMax) : null, chunk);
    },
  });
}
