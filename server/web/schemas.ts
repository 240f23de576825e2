/**
 * The pieces that schemas are made of. Field names are snake_case, times RFC 3339 in UTC, ids UUIDs, money integers of the
 * smallest unit. A schema with `$id` stands under that name among the components of the OpenAPI document.
 */
import type { Readable } from 'node:stream';
import Type, { type TObjectOptions, type TProperties, type TSchema } from 'typebox';

/** An object that has no other fields than these. */
export function strict<const P extends TProperties>(properties: P, options: TObjectOptions = {}) {
  return Type.Object(properties, { ...options, additionalProperties: false });
}

export function nullable<const T extends TSchema>(type: T) {
  return Type.Union([type, Type.Null()]);
}

export function oneOf<const W extends readonly string[]>(words: W, options: Type.TSchemaOptions = {}) {
  return Type.Unsafe<W[number]>({ ...options, type: 'string', enum: [...words] });
}

export const Id = Type.String({ format: 'uuid' });

export const Time = Type.String({ format: 'date-time' });

/** No body: of an answer with 204. */
export const Nothing = Type.Null({ description: 'no body' });

export type MediaBody = string | Buffer | Readable;

/** A body that is written as it is. `contentSchema`: of what is JSON all the same. */
export function media(contentType: string, contentSchema: TSchema = Type.String()) {
  return Type.Unsafe<MediaBody>({ type: 'string', contentMediaType: contentType, contentSchema });
}
