import { ApiProperty } from '@nestjs/swagger';
import { CALLER_KINDS, type RequestRecord } from '../../kernel/request-record.js';

/** How a caller can have proved who it is. */
export const AUTH_METHODS = ['client', 'byot', 'jwt', 'session'] as const satisfies readonly NonNullable<
  RequestRecord['authMethod']
>[];

const nullable = { nullable: true } as const;

/** One request, as the list shows it. */
export class ApiLogDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ format: 'date-time', description: 'When the request came in; UTC, microseconds.' })
  created_at!: string;

  @ApiProperty({ type: String, ...nullable })
  request_id!: string | null;

  @ApiProperty({ example: 'POST' })
  method!: string;

  @ApiProperty({ type: String, example: '/v1/chat/completions', description: 'Null: no such route.', ...nullable })
  route!: string | null;

  @ApiProperty({ example: 200, description: '499: the caller left before the whole answer was written.' })
  status!: number;

  @ApiProperty({ example: 12.375, description: 'Milliseconds until the response closed.' })
  latency_ms!: number;

  @ApiProperty({ type: Number, ...nullable })
  bytes_in!: number | null;

  @ApiProperty({ type: Number, ...nullable })
  bytes_out!: number | null;

  @ApiProperty({ type: String, enum: AUTH_METHODS, ...nullable })
  auth_method!: string | null;

  @ApiProperty({ type: String, ...nullable })
  client_id!: string | null;

  @ApiProperty({ type: String, ...nullable })
  client_address!: string | null;

  @ApiProperty({ type: String, enum: CALLER_KINDS, ...nullable })
  caller_kind!: string | null;

  @ApiProperty({ type: String, ...nullable })
  provider!: string | null;

  @ApiProperty({ type: String, ...nullable })
  model!: string | null;

  @ApiProperty()
  stream!: boolean;

  @ApiProperty({ type: Number, ...nullable })
  input_tokens!: number | null;

  @ApiProperty({ type: Number, ...nullable })
  output_tokens!: number | null;

  @ApiProperty({ type: String, ...nullable })
  error_code!: string | null;

  @ApiProperty({ type: String, description: 'Who signed in, or the owner of the key.', ...nullable })
  user_id!: string | null;
}

/** A page of requests. */
export class ApiLogPageDto {
  @ApiProperty({ type: [ApiLogDto] })
  data!: readonly ApiLogDto[];

  @ApiProperty()
  has_more!: boolean;

  @ApiProperty({ type: String, description: 'The `cursor` of the next page.', ...nullable })
  next_cursor!: string | null;
}
