import { InvalidRequestError, RateLimitedError } from '../../kernel/app-error.js';
import { errorBody } from './error-body.js';
import { surfaceOf } from './http-request.js';
import { INTERNAL_ERROR, type Refusal } from './refusal.js';

const ID = 'req_1';
const limited = new RateLimitedError('Too many requests.', 7);
const refusal = (status: number): Refusal => ({ status, code: 'some_code', message: 'No.', type: 'about:blank' });
const body = (url: string, what: Refusal) => {
  const { contentType, text } = errorBody(surfaceOf(url), what, ID, url);
  return { contentType, body: JSON.parse(text) };
};

describe('errorBody', () => {
  it('answers the core surface with a problem document', () => {
    const invalid = new InvalidRequestError([
      { location: 'body.name', message: 'is wrong' },
      { location: 'query.limit', message: 'is too large' },
    ]);
    expect(body('/api/v1/clients?token=seen', invalid)).toEqual({
      contentType: 'application/problem+json; charset=utf-8',
      body: {
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        detail: 'body.name: is wrong',
        instance: '/api/v1/clients',
        code: 'invalid_request',
        request_id: ID,
        errors: [
          { location: 'body.name', message: 'is wrong' },
          { location: 'query.limit', message: 'is too large' },
        ],
      },
    });
  });

  it('names the registered problem type of a spent quota', () => {
    expect(body('/api/v1/whoami', limited).body).toMatchObject({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
      status: 429,
      code: 'rate_limited',
    });
  });

  it('answers where OAuth clients ask in the form of RFC 6749, with codes they know', () => {
    const errorOf = (what: Refusal) => body('/oauth/token', what).body;
    expect(
      body('/oauth/token', new InvalidRequestError([{ location: 'body.scope', message: 'is "odd" \u00e4' }])),
    ).toEqual({
      contentType: 'application/json; charset=utf-8',
      body: { error: 'invalid_request', error_description: "body.scope: is 'odd' ?", request_id: ID },
    });
    expect(errorOf({ ...refusal(400), code: 'unsupported_grant_type' }).error).toBe('unsupported_grant_type');
    const codes = [400, 401, 403, 404, 415, 429, 500, 503].map((status) => errorOf(refusal(status)).error);
    expect(codes).toEqual([
      'invalid_request',
      'invalid_client',
      'unauthorized_client',
      'invalid_request',
      'invalid_request',
      'temporarily_unavailable',
      'server_error',
      'temporarily_unavailable',
    ]);
    expect(errorOf({ ...refusal(401), code: 'missing_credentials' }).error_description).toContain('HTTP Basic');
  });

  it("answers the OpenAI surface in OpenAI's form, with its own code for a spent quota", () => {
    expect(body('/v1/chat/completions', limited)).toEqual({
      contentType: 'application/json; charset=utf-8',
      body: { error: { message: 'Too many requests.', type: 'requests', param: null, code: 'rate_limit_exceeded' } },
    });
  });

  it('names the field that was wrong as param', () => {
    const invalid = new InvalidRequestError([{ location: 'body.model', message: 'is missing' }]);
    expect(body('/v1/embeddings', invalid).body.error).toEqual({
      message: 'body.model: is missing',
      type: 'invalid_request_error',
      param: 'model',
      code: 'invalid_request',
    });
  });

  it.each([
    [401, 'invalid_request_error'],
    [403, 'permission_error'],
    [404, 'invalid_request_error'],
    [500, 'server_error'],
    [503, 'server_error'],
  ])("gives status %i OpenAI's type %s", (status, type) => {
    expect(body('/v1/models', refusal(status)).body.error.type).toBe(type);
  });

  it.each([
    [400, 'invalid_request_error'],
    [401, 'authentication_error'],
    [403, 'permission_error'],
    [404, 'not_found_error'],
    [413, 'request_too_large'],
    [429, 'rate_limit_error'],
    [500, 'api_error'],
    [502, 'api_error'],
    [503, 'overloaded_error'],
    [504, 'timeout_error'],
  ])("gives status %i Anthropic's type %s", (status, type) => {
    expect(body('/v1/messages', refusal(status)).body).toEqual({
      type: 'error',
      error: { type, message: 'No.' },
      request_id: ID,
    });
  });

  it.each([
    [400, 'INVALID_ARGUMENT'],
    [401, 'UNAUTHENTICATED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'NOT_FOUND'],
    [413, 'INVALID_ARGUMENT'],
    [429, 'RESOURCE_EXHAUSTED'],
    [500, 'INTERNAL'],
    [502, 'UNAVAILABLE'],
    [503, 'UNAVAILABLE'],
    [504, 'DEADLINE_EXCEEDED'],
  ])("gives code %i Google's status %s", (status, name) => {
    expect(body('/v1beta/models/x:generateContent', refusal(status)).body).toEqual({
      error: { code: status, message: 'No.', status: name },
    });
  });

  it('says nothing about an unexpected fault but the request id', () => {
    expect(body('/api/v1/whoami', INTERNAL_ERROR).body).toEqual({
      type: 'about:blank',
      title: 'Internal Server Error',
      status: 500,
      detail: 'Something went wrong here. Report it with the request id.',
      instance: '/api/v1/whoami',
      code: 'internal_error',
      request_id: ID,
    });
  });
});

describe('surfaceOf', () => {
  it.each([
    ['/v1/chat/completions', 'openai'],
    ['/v1/messages', 'anthropic'],
    ['/v1/messages/count_tokens', 'anthropic'],
    ['/v1beta/models/x:generateContent', 'google'],
    ['/v1/models/gemini/x:generateContent', 'google'],
    ['/v1/models/x:streamGenerateContent?alt=sse', 'google'],
    ['/v1/models/x', 'openai'],
    ['/v1/models/ft:gpt-4o:org', 'openai'],
    ['/api/v1/whoami', 'core'],
    ['/health/live', 'core'],
    ['/v1', 'core'],
    ['', 'core'],
  ])('tells %p to be %s', (url, surface) => {
    expect(surfaceOf(url)).toBe(surface);
  });
});
