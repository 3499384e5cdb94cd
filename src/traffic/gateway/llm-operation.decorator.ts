import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';

const ANY_OBJECT = { schema: { type: 'object', additionalProperties: true } };
const EVENTS = { schema: { type: 'string' } };

/**
 * Shows OpenAPI an operation whose bodies pass as bytes: any object goes in and comes out, as the API it is named after
 * has it. Metadata only.
 *
 * @param example a body that the built-in model answers.
 */
export function LlmOperation(summary: string, example: Readonly<Record<string, unknown>>): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary }),
    ApiBody({ required: true, schema: { ...ANY_OBJECT.schema, example } }),
    ApiOkResponse({
      description: "The provider's answer, whole or as server-sent events.",
      content: { 'application/json': ANY_OBJECT, 'text/event-stream': EVENTS },
    }),
  );
}
