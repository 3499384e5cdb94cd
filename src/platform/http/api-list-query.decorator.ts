import { applyDecorators } from '@nestjs/common';
import { ApiQuery } from '@nestjs/swagger';
import { DEFAULT_LIMIT, type FilterKind, type ListShape, MAX_LIMIT, MAX_TEXT } from './list-query.js';

/** Shows OpenAPI the parameters `parseListQuery` reads for this shape: `limit`, `cursor`, `sort` and its filters. */
export function ApiListQuery<SortKey extends string>(shape: ListShape<SortKey>): MethodDecorator {
  return applyDecorators(
    ApiQuery({
      name: 'limit',
      required: false,
      schema: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT },
    }),
    ApiQuery({
      name: 'cursor',
      required: false,
      description: '`next_cursor` of the page before, asked with the same sort.',
      schema: { type: 'string' },
    }),
    ApiWholeListQuery(shape),
  );
}

/** Shows OpenAPI the parameters of a list that is given whole: `sort` and the shape's filters. */
export function ApiWholeListQuery<SortKey extends string>(shape: ListShape<SortKey>): MethodDecorator {
  const sorts = Object.keys(shape.sortKeys).flatMap((key) => [key, `-${key}`]);
  return applyDecorators(
    ApiQuery({
      name: 'sort',
      required: false,
      description: 'A leading `-` sorts downwards.',
      schema: { type: 'string', enum: sorts, default: shape.defaultSort },
    }),
    ...Object.entries(shape.filters).map(([name, kind]) => ApiQuery({ name, required: false, schema: schemaOf(kind) })),
  );
}

function schemaOf(kind: FilterKind) {
  if (kind === 'text') return { type: 'string', maxLength: MAX_TEXT };
  if (kind === 'integer') return { type: 'integer' };
  return kind === 'time' ? { type: 'string', format: 'date-time' } : { type: 'string', enum: [...kind] };
}
