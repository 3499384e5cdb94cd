import { startApp, type TestApp } from '../support/app.js';

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema?: { readonly type?: string; readonly example?: string };
}

interface Content {
  readonly [type: string]: { readonly schema?: { readonly example?: object }; readonly example?: unknown };
}

interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly Readonly<Record<string, string[]>>[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly $ref?: string }>>;
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly securitySchemes: Readonly<Record<string, object>>;
    readonly responses: Readonly<Record<string, { readonly content: Content }>>;
  };
}

const PUBLIC = [
  'POST /api/v1/auth/refresh',
  'GET /.well-known/jwks.json',
  'GET /.well-known/oauth-authorization-server',
  'GET /health/live',
  'GET /health/ready',
  'POST /api/v1/leaked-keys',
  'POST /api/v1/auth/login',
  'POST /api/v1/auth/accept-invite',
  'POST /api/v1/auth/verify-email',
  'POST /api/v1/auth/forgot-password',
  'POST /api/v1/auth/reset-password',
];

/** What is asked for by the path alone. */
const WITHOUT_BODY = [
  'POST /api/v1/auth/logout',
  'POST /api/v1/users/{user_id}/invitation',
  'POST /api/v1/users/{user_id}/tokens/revoke-all',
  'POST /api/v1/clients/{client_id}/tokens/revoke-all',
  'POST /api/v1/tokens/revoke-all',
];

let core: TestApp;
let document: Document;
let operations: [name: string, path: string, operation: Operation][];

beforeAll(async () => {
  core = await startApp();
  const response = await fetch(`${core.url}/openapi.json`);
  document = (await response.json()) as Document;
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): (typeof operations)[number] => [
      `${method.toUpperCase()} ${path}`,
      path,
      operation,
    ]),
  );
});
afterAll(() => core.stop());

function operation(wanted: string): Operation {
  const found = operations.find(([name]) => name === wanted);
  if (found === undefined) throw new Error(`no operation ${wanted}`);
  return found[2];
}

/** The names of the operations of which something is untrue. */
function failing(holds: (operation: Operation, path: string, name: string) => boolean): string[] {
  return operations.filter(([name, path, each]) => !holds(each, path, name)).map(([name]) => name);
}

function refsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : refsOf(inner),
  );
}

function resolve(ref: string): unknown {
  return ref
    .replace(/^#\//, '')
    .split('/')
    .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], document);
}

describe('the structure of /openapi.json', () => {
  it('has the head of an OpenAPI document and operations', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({ title: expect.stringMatching(/./), version: expect.stringMatching(/./) });
    expect(operations.length).toBeGreaterThanOrEqual(20);
  });

  it('declares exactly the path parameters of each path, all required', () => {
    expect(
      failing(({ parameters }, path) => {
        const inPath = parameters.filter((parameter) => parameter.in === 'path');
        const templated = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        const declared = inPath.map(({ name }) => name);
        return inPath.every(({ required }) => required === true) && `${templated.sort()}` === `${declared.sort()}`;
      }),
    ).toEqual([]);
  });

  it('gives every parameter a place and a schema, and none twice', () => {
    expect(
      failing(({ parameters }) => {
        const keys = parameters.map((parameter) => `${parameter.in}.${parameter.name}`);
        return (
          new Set(keys).size === keys.length &&
          parameters.every(
            ({ in: place, schema }) => /^(path|query|header|cookie)$/.test(place) && schema !== undefined,
          )
        );
      }),
    ).toEqual([]);
  });

  it('has one operationId each, of letters, digits and underscores', () => {
    const ids = operations.map(([, , { operationId }]) => operationId);
    expect(ids.filter((id) => !/^\w+$/.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('gives each operation a summary and tags that the document describes', () => {
    const known = document.tags.map(({ name }) => name);
    expect(known).toEqual([
      'LLM: OpenAI',
      'LLM: Anthropic',
      'LLM: Gemini',
      'query',
      'clients',
      'api keys',
      'users',
      'sign-in',
      'sessions',
      'access',
      'tokens',
      'rate limits',
      'ip rules',
      'api logs',
      'audit logs',
      'identity',
      'operations',
    ]);
    expect(failing(({ summary }) => Boolean(summary))).toEqual([]);
    expect(failing(({ tags = [] }) => tags.length > 0 && tags.every((tag) => known.includes(tag)))).toEqual([]);
    const used = new Set(operations.flatMap(([, , { tags }]) => tags));
    expect(known.filter((tag) => !used.has(tag))).toEqual([]);
  });

  it('asks each operation that is not public for a scheme the document has', () => {
    const schemes = Object.keys(document.components.securitySchemes);
    expect(
      failing(({ security }, _path, name) =>
        PUBLIC.includes(name)
          ? security?.length === 0
          : security?.flatMap(Object.keys).some((scheme) => !schemes.includes(scheme)) === false && security.length > 0,
      ),
    ).toEqual([]);
  });

  it('describes a success of each operation, and every answer', () => {
    expect(failing(({ responses }) => Object.keys(responses).some((status) => /^2\d\d$/.test(status)))).toEqual([]);
    expect(
      failing(({ responses }) =>
        Object.entries(responses).every(
          ([status, { description, $ref }]) =>
            /^([1-5]\d\d|default)$/.test(status) && (typeof description === 'string' || $ref !== undefined),
        ),
      ),
    ).toEqual([]);
  });

  it('says what a success holds, unless it holds nothing', () => {
    expect(
      failing(({ responses }) =>
        Object.entries(responses)
          .filter(([status]) => /^2/.test(status) && status !== '204')
          .every(([, answer]) => 'content' in answer),
      ),
    ).toEqual([]);
  });

  it('refers to nothing that is not there', () => {
    const refs = refsOf(document);
    expect(refs.length).toBeGreaterThan(50);
    expect(refs.filter((ref) => !ref.startsWith('#/') || resolve(ref) === undefined)).toEqual([]);
  });

  it('has no nullable, which OpenAPI 3.1 does not know', () => {
    expect(JSON.stringify(document)).not.toContain('"nullable"');
  });

  it('shows a body wherever one is read', () => {
    const writes = (name: string) => /^(POST|PUT|PATCH) /.test(name) && !WITHOUT_BODY.includes(name);
    expect(failing(({ requestBody }, _path, name) => writes(name) === (requestBody?.required === true))).toEqual([]);
  });
});

describe('refusals', () => {
  const BY_SURFACE: [name: string, schema: string, type: string][] = [
    ['GET /api/v1/clients', 'Problem', 'application/problem+json'],
    ['POST /v1/chat/completions', 'OpenAiError', 'application/json'],
    ['GET /v1/models/{path}', 'OpenAiError', 'application/json'],
    ['POST /v1/messages', 'AnthropicError', 'application/json'],
    ['POST /v1beta/models/{path}', 'GoogleError', 'application/json'],
    ['POST /v1/models/{path}', 'GoogleError', 'application/json'],
  ];

  it.each(BY_SURFACE)('of %s are of the schema %s', (name, schema, type) => {
    for (const status of ['400', '401', '403', '429', '503', 'default']) {
      const { $ref } = operation(name).responses[status] ?? {};
      expect($ref).toBe(`#/components/responses/${schema}_${status}`);
      expect(resolve($ref ?? '')).toMatchObject({
        content: { [type]: { schema: { $ref: `#/components/schemas/${schema}` } } },
      });
    }
  });

  it('of POST /oauth/token are those of OAuth', () => {
    for (const status of ['401', '429', '503', 'default']) {
      const { $ref } = operation('POST /oauth/token').responses[status] ?? {};
      expect($ref).toBe(`#/components/responses/OAuthError_${status}`);
    }
  });

  it('are those that can happen', () => {
    expect(Object.keys(operation('GET /health/live').responses)).toEqual(['200']);
    expect(operation('GET /api/v1/whoami').responses).not.toHaveProperty('403');
    expect(operation('GET /api/v1/clients').responses).not.toHaveProperty('404');
    expect(operation('GET /api/v1/clients/{client_id}').responses).toHaveProperty('404');
    expect(operation('POST /v1/messages').responses).toHaveProperty('404');
  });

  it('have the example that is really sent', async () => {
    const response = await fetch(`${core.url}/v1/messages`, { method: 'POST' });
    const sent = (await response.json()) as object;
    const shown = document.components.responses.AnthropicError_401?.content['application/json']?.example;
    expect(response.status).toBe(401);
    expect({ ...sent, request_id: null }).toEqual({ ...(shown as object), request_id: null });
  });
});

describe('lists', () => {
  it('of clients show limit, cursor, sort and the filters', () => {
    const parameters = operation('GET /api/v1/clients').parameters;
    expect(parameters.map(({ name }) => name)).toEqual([
      'limit',
      'cursor',
      'sort',
      'status',
      'tier',
      'environment',
      'owner_id',
      'name',
      'created_after',
      'created_before',
      'expiring_before',
      'unused_since',
      'search',
    ]);
    expect(parameters.find(({ name }) => name === 'sort')?.schema).toEqual({
      type: 'string',
      enum: ['created_at', '-created_at', 'name', '-name'],
      default: '-created_at',
    });
  });

  it.each(['/api/v1/clients', '/api/v1/api-logs'])('of %s take every parameter shown', async (path) => {
    const { apiKey } = await core.createClient({ scopes: ['admin'] });
    const values: Record<string, string> = { integer: '1', 'date-time': '2026-01-31T00:00:00Z' };
    const query = new URLSearchParams();
    for (const { name, schema } of operation(`GET ${path}`).parameters) {
      const { type, format, enum: choices } = schema as { type: string; format?: string; enum?: string[] };
      if (name !== 'cursor') query.set(name, choices?.at(-1) ?? values[format ?? type] ?? 'text');
    }
    const response = await fetch(`${core.url}${path}?${query}`, { headers: { 'x-api-key': apiKey } });
    expect([response.status, await response.json()]).toEqual([200, expect.objectContaining({ has_more: false })]);
  });
});

describe('"Try it out"', () => {
  it('is answered by the built-in model on every LLM route', async () => {
    const { apiKey } = await core.createClient({ scopes: ['llm:invoke'] });
    const tried: [string, number][] = [];
    for (const [name, template, { parameters, requestBody }] of operations) {
      const example = requestBody?.content['application/json']?.schema?.example;
      if (example === undefined) continue;
      const path = template.replace(/\{(\w+)\}/g, (_whole, wanted) =>
        encodeURIComponent(parameters.find((parameter) => parameter.name === wanted)?.schema?.example ?? ''),
      );
      const response = await fetch(`${core.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': apiKey },
        body: JSON.stringify(example),
      });
      await response.arrayBuffer();
      tried.push([name, response.status]);
    }
    expect(tried).toEqual([
      ['POST /v1/chat/completions', 200],
      ['POST /v1/completions', 200],
      ['POST /v1/embeddings', 200],
      ['POST /v1/responses', 200],
      ['POST /v1/messages', 200],
      ['POST /v1/messages/count_tokens', 200],
      ['POST /v1beta/models/{path}', 200],
      ['POST /v1/models/{path}', 200],
    ]);
  });
});
