import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { hasFormBody, readFormBody } from '../../platform/http/form-body.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { readJsonBody, validateBody } from '../../platform/http/json-body.js';
import { PresentedTokenDto } from './tokens.dto.js';

const LIMIT_BYTES = 16_384;

/**
 * A handler's parameter: the token that something is asked about, from a form, as OAuth clients send it (RFC 7009, RFC
 * 7662), or from a JSON document like everywhere else. Parameters of a form that are not known are ignored (RFC 6749, 3.2).
 */
export const PresentedToken = createParamDecorator((_data: undefined, context: ExecutionContext) =>
  readPresentedToken(context.switchToHttp().getRequest<HttpRequest>()),
);

async function readPresentedToken(request: HttpRequest): Promise<PresentedTokenDto> {
  if (!hasFormBody(request)) return readJsonBody(request, PresentedTokenDto, LIMIT_BYTES);
  const form = await readFormBody(request, LIMIT_BYTES);
  const [token, hint] = [form.get('token'), form.get('token_type_hint')];
  return validateBody({ token, ...(hint !== undefined && { token_type_hint: hint }) }, PresentedTokenDto);
}
