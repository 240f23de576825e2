/**
 * A request against the schemas of its endpoint. They are JSON Schema 2020-12, which is OpenAPI 3.1's own dialect, and
 * TypeBox compiles them: nothing is removed, nothing is filled in, formats are checked, and a body is taken as it is. A
 * path or a query is text, so there, and only there, `5` is read as a number where a number is asked for.
 */
import Type, { type TObject, type TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import type { Answer, Endpoint } from './endpoint.ts';
import { assertStorable } from './json.ts';
import { Problem } from './problem.ts';

const ERRORS_MAX = 20;

interface Parts {
  params: unknown;
  query: unknown;
  body: unknown;
}

export interface EndpointValidator {
  /** The parts as the handler gets them; throws a Problem that names each field that is wrong. */
  check(parts: Parts): Parts;
  /** What of an answer does not fit the schema that the endpoint promises; for tests. */
  faultOf(answer: Answer): string | undefined;
}

export function validatorOf(endpoint: Endpoint): EndpointValidator {
  const params = Compile(endpoint.params);
  const query = Compile(endpoint.query);
  // A verb without a body may be sent an empty object.
  const body = Compile(
    endpoint.body ?? Type.Union([Type.Undefined(), Type.Object({}, { additionalProperties: false })]),
  );
  return {
    check(parts) {
      const read: Parts = {
        params: readText(endpoint.params, parts.params, '/params'),
        query: readText(endpoint.query, parts.query, '/query'),
        body: parts.body,
      };
      const errors = [
        ...errorsOf(params, read.params, '/params'),
        ...errorsOf(query, read.query, '/query'),
        ...(endpoint.upload ? [] : errorsOf(body, read.body, '/body')),
      ];
      if (errors.length === 0) return read;
      const [{ path, message }] = errors as [FieldError];
      throw new Problem('invalid-request', `${path} ${message}.`, { errors: errors.slice(0, ERRORS_MAX) });
    },
    faultOf: (answer) => faultOf(endpoint, answer),
  };
}

interface FieldError {
  path: string;
  message: string;
}

function errorsOf(validator: Validator, value: unknown, where: string): FieldError[] {
  if (validator.Check(value)) return [];
  return validator.Errors(value).flatMap(({ keyword, params, instancePath, message }) => {
    // Said by the keyword around it.
    if (keyword === 'boolean') return [];
    const names =
      keyword === 'required' && 'requiredProperties' in params ? params.requiredProperties : undefined;
    const extra =
      keyword === 'additionalProperties' && 'additionalProperties' in params
        ? params.additionalProperties
        : undefined;
    if (names)
      return names.map((name) => ({ path: `${where}${instancePath}/${name}`, message: 'is missing' }));
    if (extra)
      return extra.map((name) => ({ path: `${where}${instancePath}/${name}`, message: 'is not known here' }));
    return [{ path: `${where}${instancePath}`, message }];
  });
}

/** Text of a URL as the values that its schema asks for; what cannot be read stays text, and the schema says so. */
function readText(schema: TObject, fields: unknown, where: string): Record<string, unknown> {
  // Without a prototype, so that a field `__proto__` is one like others.
  const values: Record<string, unknown> = Object.create(null);
  for (const [name, text] of Object.entries(fields ?? {})) {
    for (const one of [name, text].flat()) assertStorable(String(one), where);
    const wanted = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    values[name] = wanted ? readValue(wanted, text) : text;
  }
  return values;
}

function readValue(schema: TSchema, text: string | string[]): unknown {
  const type = 'type' in schema ? schema.type : undefined;
  if (type === 'array') {
    const items = 'items' in schema ? (schema.items as TSchema) : schema;
    return [text].flat().map((one) => readValue(items, one));
  }
  if (typeof text !== 'string') return text;
  if ((type === 'integer' || type === 'number') && /^-?\d{1,15}(\.\d{1,15})?$/.test(text))
    return Number(text);
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true';
  return text;
}

const validators = new WeakMap<TSchema, Validator>();

function faultOf(endpoint: Endpoint, answer: Answer): string | undefined {
  const schema = endpoint.responses[answer.status];
  if (!schema) return `the status ${answer.status} is not among its responses`;
  if ('contentMediaType' in schema) return undefined;
  const validator = validators.get(schema) ?? Compile(schema);
  validators.set(schema, validator);
  // As the client will read it.
  return faultIn(validator, JSON.parse(JSON.stringify(answer.body)));
}

function faultIn(validator: Validator, value: unknown): string | undefined {
  const [error] = errorsOf(validator, value, '');
  return error && `${error.path || 'the body'} ${error.message}`;
}
