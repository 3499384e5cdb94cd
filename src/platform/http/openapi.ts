import { ModulesContainer } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { BYOT_MARK, PUBLIC_MARK, REQUIRE_MARK, type Requirement } from '../../kernel/handler-marks.js';

import { surfaceOf } from './http-request.js';
import { type ErrorCase, errorComponents, errorResponses } from './openapi-errors.js';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const;

/** What Nest adds to the names of the operations of one handler that serves several paths. */
const SAME_HANDLER = /\[(\d+)\]$/;

/** The parts of the API, in the order a reader meets them. */
const TAGS: readonly (readonly [name: string, description: string])[] = [
  ['LLM: OpenAI', "OpenAI's API. The model names the provider: `provider/model`, or a name of the operator's."],
  ['LLM: Anthropic', "Anthropic's API."],
  ['LLM: Gemini', "Gemini's API, which names the model and the method in the path."],
  ['query', 'One question to a model.'],
  ['clients', 'Who may call, and with what permissions.'],
  ['api keys', 'The keys of whoever is signed in: clients that belong to a user.'],
  ['users', 'People: invited, changed, suspended, removed.'],
  ['sign-in', 'Without a credential yet: signing in, and the tokens that come by mail.'],
  ['sessions', 'Who is signed in where, and how to end it.'],
  ['access', 'Roles, permissions and grants: who may do what, where and when, and why.'],
  ['tokens', 'Short-lived access: given out, renewed, revoked, looked at.'],
  ['rate limits', 'How often and how much at once: what is in force, for whom, and why a request was refused.'],
  ['ip rules', 'Which addresses are let in, which are kept out, and for how long.'],
  ['api logs', 'What was called, by whom, with what result.'],
  ['audit logs', 'Who did what to what: rows that nobody can change.'],
  ['identity', 'Who the caller is taken for.'],
  ['operations', 'Health and metrics.'],
];

/** The ways a client or user of ours presents itself, each of them enough. */
const IDENTITY: readonly Record<string, string[]>[] = [
  { bearer: [] },
  { basic: [] },
  { x_api_key: [] },
  { api_key: [] },
  { x_goog_api_key: [] },
  { session: [] },
];
const BRING_YOUR_OWN: Record<string, string[]> = { provider_token: [] };

interface Marks {
  readonly isPublic: boolean;
  readonly requirement: Requirement | undefined;
  readonly allowsByot: boolean;
}

/** The API's own description (OpenAPI 3.1), with what each operation asks for taken from the marks its guards read. */
export function describeApi(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('core-nest')
    .setDescription('Gateway in front of LLM and REST APIs: who is calling, what they may do, how often.')
    .setVersion('1')
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', bearerFormat: 'API key', description: 'An API key, or an access token' },
      'bearer',
    )
    .addBasicAuth({ type: 'http', scheme: 'basic', description: 'client_id and client_secret' }, 'basic')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key' }, 'x_api_key')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'api-key' }, 'api_key')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'x-goog-api-key' }, 'x_goog_api_key')
    .addCookieAuth(
      '__Host-core-nest-session',
      {
        type: 'apiKey',
        in: 'cookie',
        description: 'Of whoever signed in with a browser; what changes something needs X-CSRF-Token too',
      },
      'session',
    )
    .addApiKey(
      { type: 'apiKey', in: 'header', name: 'X-Provider-Token', description: "The caller's own provider key" },
      'provider_token',
    );
  for (const [name, description] of TAGS) builder.addTag(name, description);
  const marks = marksByOperation(app);
  const document = SwaggerModule.createDocument(app, builder.build(), { operationIdFactory: operationId });
  for (const [path, item] of Object.entries(document.paths))
    for (const method of METHODS) {
      const operation = item[method];
      if (operation === undefined) continue;
      const id = operation.operationId ?? '';
      const found = marks.get(id.replace(SAME_HANDLER, ''));
      operation.operationId = id.replace(SAME_HANDLER, '_$1');
      operation.security = securityOf(found);
      if (!found?.isPublic)
        operation.responses = {
          ...errorResponses(surfaceOf(examplePath(path, operation)), errorCases(operation, found)),
          ...operation.responses,
        };
      Object.assign(operation, { 'x-permission': found?.isPublic ? null : (found?.requirement ?? null) });
    }
  const { schemas, responses } = errorComponents();
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, ...schemas },
    responses,
  };
  return document;
}

/** The path as its example would be asked for: one template can serve two surfaces, told apart by what fills it. */
function examplePath(template: string, { parameters = [] }: Operation): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const declared = parameters.find((parameter) => 'name' in parameter && parameter.name === name);
    const schema = declared !== undefined && 'schema' in declared ? declared.schema : undefined;
    return schema !== undefined && 'example' in schema ? String(schema.example) : whole;
  });
}

/** How an operation that needs an identity can be refused. */
function errorCases(operation: Operation, marks: Marks | undefined): ErrorCase[] {
  const { parameters = [] } = operation;
  const looksUp = parameters.some((parameter) => 'in' in parameter && parameter.in === 'path');
  const forbids = marks?.requirement !== 'authenticated';
  const finds = looksUp || marks?.requirement === 'llm:invoke';
  return [400, 401, ...(forbids ? [403 as const] : []), ...(finds ? [404 as const] : []), 429, 503, 'default'];
}

/** An operation whose marks cannot be found is shown as closed, as the guards treat it. */
function securityOf(marks: Marks | undefined): Record<string, string[]>[] {
  if (marks?.isPublic) return [];
  return marks?.allowsByot ? [...IDENTITY, BRING_YOUR_OWN] : [...IDENTITY];
}

function operationId(controller: string, method: string): string {
  return `${controller}_${method}`;
}

function marksByOperation(app: NestFastifyApplication): Map<string, Marks> {
  const found = new Map<string, Marks>();
  for (const module of app.get(ModulesContainer).values())
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype !== 'function') continue;
      const methods = Object.getOwnPropertyDescriptors(metatype.prototype);
      for (const [name, { value: handler }] of Object.entries(methods))
        if (typeof handler === 'function') found.set(operationId(metatype.name, name), marksOf(handler, metatype));
    }
  return found;
}

function marksOf(handler: object, controller: object): Marks {
  const read = (mark: string): unknown => Reflect.getMetadata(mark, handler) ?? Reflect.getMetadata(mark, controller);
  return {
    isPublic: read(PUBLIC_MARK) === true,
    requirement: read(REQUIRE_MARK) as Requirement | undefined,
    allowsByot: read(BYOT_MARK) === true,
  };
}
