import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, MaxLength, MinLength } from 'class-validator';

const MAX_MODEL = 128;
const MAX_QUERY = 65_536;
const MODEL = { minLength: 1, maxLength: MAX_MODEL };

/** The body of `POST /api/v1/query`. */
export class QueryDto {
  @ApiProperty({ minLength: 1, maxLength: MAX_QUERY, example: 'Hello', description: 'What is asked.' })
  @IsString()
  @MinLength(1)
  @MaxLength(MAX_QUERY)
  query!: string;

  @ApiPropertyOptional({
    ...MODEL,
    example: 'core-nest/echo',
    description: "Who answers; the operator's `QUERY_DEFAULT_MODEL` when absent.",
  })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(MAX_MODEL)
  model?: string;

  @ApiPropertyOptional({
    ...MODEL,
    example: 'core-nest/echo',
    description: 'Who thinks first; its text is handed to `model`.',
  })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(MAX_MODEL)
  reasoning_model?: string;
}

/** Tokens, as far as the provider told; null when it did not. */
class QueryUsageView {
  @ApiProperty({ type: 'integer', nullable: true }) input_tokens!: number | null;
  @ApiProperty({ type: 'integer', nullable: true }) output_tokens!: number | null;
  @ApiProperty({ type: 'integer', nullable: true }) total_tokens!: number | null;
}

/** The answer of `POST /api/v1/query`. */
export class QueryAnswerView {
  @ApiProperty({ example: 'Hello' }) answer!: string;
  @ApiProperty({ example: 'core-nest/echo' }) model!: string;
  @ApiProperty() usage!: QueryUsageView;
  @ApiProperty({ example: 'req_0123456789abcdef01234567' }) request_id!: string;
}
