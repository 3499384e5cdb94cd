import { ForbiddenException, HttpException, NotFoundException } from '@nestjs/common';
import { InvalidApiKeyError, ServiceUnavailableError } from '../../kernel/app-error.js';
import { INTERNAL_ERROR, refusalOf } from './refusal.js';

describe('refusalOf', () => {
  it('lets an AppError speak for itself', () => {
    const error = new InvalidApiKeyError();
    expect(refusalOf(error)).toBe(error);
  });

  it('answers 503 with a pause while PostgreSQL is away', () => {
    const refusal = refusalOf(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
    expect(refusal).toBeInstanceOf(ServiceUnavailableError);
    expect(refusal).toMatchObject({ status: 503, code: 'service_unavailable', retryAfterSeconds: 1 });
  });

  it.each([
    [new NotFoundException('Cannot GET /secret'), 404, 'not_found'],
    [new ForbiddenException(), 403, 'permission_denied'],
    [Object.assign(new Error('x'), { statusCode: 400, code: 'FST_ERR_BAD_URL' }), 400, 'malformed_request'],
    [Object.assign(new Error('x'), { statusCode: 413 }), 413, 'payload_too_large'],
    [Object.assign(new Error('x'), { statusCode: 414 }), 414, 'uri_too_long'],
    [Object.assign(new Error('x'), { statusCode: 415 }), 415, 'unsupported_media_type'],
  ])('maps what the framework throws by its status (%#), without its message', (error, status, code) => {
    const refusal = refusalOf(error);
    expect(refusal).toMatchObject({ status, code });
    expect(refusal.message).not.toContain('secret');
  });

  it.each([
    new Error('boom'),
    new HttpException('teapot', 418),
    Object.assign(new Error('x'), { statusCode: 500 }),
    'a string',
    null,
    undefined,
  ])('makes a bare 500 of anything else (%#)', (error) => {
    expect(refusalOf(error)).toBe(INTERNAL_ERROR);
  });
});
