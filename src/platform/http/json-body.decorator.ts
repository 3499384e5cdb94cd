import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiBody } from '@nestjs/swagger';
import type { HttpRequest } from './http-request.js';
import { type DtoClass, readJsonBody } from './json-body.js';

interface BodyShape {
  readonly dto: DtoClass<object>;
  readonly limitBytes: number | undefined;
}

const Body = createParamDecorator(({ dto, limitBytes }: BodyShape, context: ExecutionContext) =>
  readJsonBody(context.switchToHttp().getRequest<HttpRequest>(), dto, limitBytes),
);

/**
 * A handler's parameter that is the request's JSON body, read and validated (see `readJsonBody`) only when every guard
 * has let the request on. OpenAPI shows the same class.
 *
 * @param limitBytes less than the 100 kB a management route reads.
 */
export function JsonBody<T extends object>(dto: DtoClass<T>, limitBytes?: number): ParameterDecorator {
  const read = Body({ dto, limitBytes });
  return (target, name, index) => {
    read(target, name, index);
    if (name === undefined) return;
    const handler = Object.getOwnPropertyDescriptor(target, name);
    if (handler !== undefined) ApiBody({ type: dto })(target, name, handler);
  };
}
