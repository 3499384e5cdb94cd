import { IsOptional, IsString, MaxLength, MinLength } from 'class-validator';

const MAX_MODEL = 128;
const MAX_QUERY = 65_536;

/** The body of `POST /api/v1/query`. */
export class QueryDto {
  /** What is asked. */
  @IsString()
  @MinLength(1)
  @MaxLength(MAX_QUERY)
  query!: string;

  /** Who answers; the operator's `QUERY_DEFAULT_MODEL` when absent. */
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(MAX_MODEL)
  model?: string;

  /** Who thinks first; its text is handed to `model`. */
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(MAX_MODEL)
  reasoning_model?: string;
}
