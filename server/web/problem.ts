/**
 * Problems: every error that the API answers with, in one table (RFC 9457).
 *
 * `code` and `type` are stable: programs may depend on them, and on the status. `title` and `detail` are for people and
 * may change. Handlers throw a Problem; what else is thrown becomes one in errors.ts, without a word of SQL or of a stack.
 */
import Type from 'typebox';
import { strict } from './schemas.ts';

interface ProblemKind {
  status: number;
  title: string;
  /** When a client gets it, and what it should do. */
  when: string;
}

export const PROBLEMS = {
  'invalid-request': {
    status: 400,
    title: 'The request does not fit its schema',
    when: 'A parameter, a header or the body has a field that is missing, unknown or of another form; `errors` names each.',
  },
  'malformed-request': {
    status: 400,
    title: 'The request cannot be read',
    when: 'The body is no JSON, has a name twice, nests too deeply or holds characters that cannot be kept; or the URL is broken.',
  },
  'idempotency-key-missing': {
    status: 400,
    title: 'An Idempotency-Key is required',
    when: 'What spends money or sends mail must be safe to repeat: send a key that is new for this intent, and the same one with each retry.',
  },
  'idempotency-key-invalid': {
    status: 400,
    title: 'The Idempotency-Key cannot be used',
    when: 'A key has 16 to 255 visible ASCII characters; a UUID is fine.',
  },
  unauthenticated: {
    status: 401,
    title: 'Who is asking?',
    when: 'There is no key or session with the request, or it is wrong, revoked or expired.',
  },
  'payment-failed': {
    status: 402,
    title: 'The payment failed',
    when: 'It was declined or refused, nothing was charged, and `detail` says why. Location has the payment. Use a new key to try again.',
  },
  'out-of-credits': {
    status: 402,
    title: 'The sending credits are spent',
    when: 'Nothing new is sent until more are bought. What is queued already is sent.',
  },
  'missing-scope': {
    status: 403,
    title: 'The key or the role does not allow this',
    when: '`detail` names the scope that is missing.',
  },
  'sign-in-refused': {
    status: 403,
    title: 'That is not who you are here',
    when: 'The address, the password or the code is wrong; which one, nobody is told. Or the provider says so.',
  },
  'second-factor-needed': {
    status: 403,
    title: 'A code is needed too',
    when: 'The password is right: send the same again, with a `code` of the authenticator or a recovery code.',
  },
  'no-workspace': {
    status: 403,
    title: 'You are in no workspace',
    when: 'Nobody who may sign in is left without one unless they were removed: ask for an invitation.',
  },
  'cross-site': {
    status: 403,
    title: 'The request came from another site',
    when: 'A change with a session’s cookie must come from Camp’s own pages, with the header X-Camp-Request.',
  },
  'not-found': {
    status: 404,
    title: 'There is no such thing',
    when: 'The URL is unknown, or names what is not in this workspace.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'The URL has no such method',
    when: 'The header Allow has those that it has.',
  },
  'request-timeout': {
    status: 408,
    title: 'The request took too long to arrive',
    when: 'The body came more slowly than its time allows.',
  },
  conflict: {
    status: 409,
    title: 'It is not in a state for that',
    when: 'Something else is true by now than the request takes for granted.',
  },
  'idempotency-key-in-use': {
    status: 409,
    title: 'The first request with this key is still under way',
    when: 'Repeat the same request after Retry-After, or send `Prefer: wait=10` to wait for its answer.',
  },
  'payment-under-way': {
    status: 409,
    title: 'Another payment for the same is under way',
    when: '`detail` names it. Repeat the request after Retry-After, when it is decided.',
  },
  'precondition-failed': {
    status: 412,
    title: 'It was changed meanwhile',
    when: 'If-Match names another version than the current one: read it again, and decide.',
  },
  'body-too-large': {
    status: 413,
    title: 'The body is too large',
    when: '`detail` says how large it may be.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The body has another media type than is taken here',
    when: 'Content-Type must be what the endpoint documents, mostly application/json.',
  },
  refused: {
    status: 422,
    title: 'It cannot be done as asked',
    when: 'The request is well formed, and `detail` says in a sentence what stands against it.',
  },
  'recipient-suppressed': {
    status: 422,
    title: 'The recipient is on the suppression list',
    when: 'Mail to it came back for good, or was reported as spam, or somebody put it there; `detail` says which.',
  },
  'sender-refused': {
    status: 422,
    title: 'The sender may not be used',
    when: 'Mail from this address would be refused or taken for spam; `detail` says why, and what would do.',
  },
  'checklist-failed': {
    status: 422,
    title: 'The checklist stands against sending it',
    when: '`errors` has the items. Correct them; what is only amber may be sent with accept_warnings, what is red with force.',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'The key belongs to another request',
    when: 'A request with this key had another method, URL or body, to the byte: use a new key for a new intent.',
  },
  'precondition-required': {
    status: 428,
    title: 'Say which version you mean',
    when: 'Send If-Match with the ETag of the version that you have read.',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many requests',
    when: 'The limit of the key, the workspace or the network address is spent: slow down, and come again after Retry-After.',
  },
  'headers-too-large': {
    status: 431,
    title: 'The headers are too large',
    when: 'All headers together may have 16 KB.',
  },
  internal: {
    status: 500,
    title: 'A mistake in Camp',
    when: 'It is ours, and logged under the request’s id. Nothing was kept of the request; it may be repeated.',
  },
  overloaded: {
    status: 503,
    title: 'Too much to do',
    when: 'It is ours: this process does not keep up. Come again after Retry-After.',
  },
  draining: {
    status: 503,
    title: 'This process is ending',
    when: 'It is ours: another process, or the next one here, will answer. Come again after Retry-After.',
  },
  'database-away': {
    status: 503,
    title: 'The database does not answer',
    when: 'It is ours, and passes. Come again after Retry-After, with the same Idempotency-Key.',
  },
  'out-of-time': {
    status: 503,
    title: 'It took longer than it may',
    when: 'It is ours. Whether it was done is not always known here: repeat it with the same Idempotency-Key.',
  },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_TYPE = 'application/problem+json';

export const ProblemSchema = strict(
  {
    type: Type.String({ description: 'urn:camp:problem: and the code' }),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    code: Type.String({ description: 'Stable; see the list of problems.' }),
    detail: Type.Optional(Type.String({ description: 'What it was this time, in a sentence.' })),
    errors: Type.Optional(
      Type.Array(
        strict({
          path: Type.String({ description: 'JSON pointer: /body/name, /query/limit, /headers/if-match' }),
          message: Type.String(),
          line: Type.Optional(
            Type.Integer({ minimum: 1, description: 'Of a text that has several: where.' }),
          ),
          column: Type.Optional(Type.Integer({ minimum: 1 })),
        }),
      ),
    ),
    request_id: Type.String(),
  },
  { $id: 'Problem' },
);

export type ProblemDetails = Type.Static<typeof ProblemSchema>;

interface FieldProblem {
  path: string;
  message: string;
  line?: number;
  column?: number;
}

interface ProblemParts {
  errors?: FieldProblem[];
  headers?: Record<string, string>;
}

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly status: number;
  readonly errors: FieldProblem[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  /** `detail`: a sentence for people; it may quote the request, and never the database. */
  constructor(code: ProblemCode, detail?: string, { errors, headers = {} }: ProblemParts = {}) {
    super(detail ?? '');
    this.code = code;
    this.status = PROBLEMS[code].status;
    this.errors = errors;
    this.headers = headers;
  }

  toJSON(requestId: string): ProblemDetails {
    const { title, status, when } = PROBLEMS[this.code];
    return {
      type: `urn:camp:problem:${this.code}`,
      title,
      status,
      code: this.code,
      detail: this.message || when,
      ...(this.errors ? { errors: this.errors } : {}),
      request_id: requestId,
    };
  }
}

/** One field of the request is wrong. */
export function invalid(path: string, message: string): Problem {
  return new Problem('invalid-request', `${path} ${message}.`, { errors: [{ path, message }] });
}

/** One field of the body names what is not in this workspace. */
export function unknownAt(path: string, message: string): Problem {
  return new Problem('refused', `${path} ${message}.`, { errors: [{ path, message }] });
}

/** Not in this workspace; whether it is in another is nobody's business. */
export function notFound(what: string): Problem {
  return new Problem('not-found', `There is no ${what} with this id.`);
}

/** Ours or theirs: come again after so long. Retry-After is in whole seconds (RFC 9110 section 10.2.3). */
export function comeAgain(code: ProblemCode, detail: string, afterMs: number): Problem {
  const seconds = Math.max(1, Math.ceil(afterMs / 1_000));
  return new Problem(code, detail, { headers: { 'retry-after': String(seconds) } });
}

export function bodyTooLarge(bytesMax: number): Problem {
  return new Problem('body-too-large', `It may have ${bytesMax} bytes.`);
}
