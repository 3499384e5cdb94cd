import { ApiProperty } from '@nestjs/swagger';

/** The requests of one client in one hour. Sums, so that charts can add hours and clients up. */
export class ApiLogRollupDto {
  @ApiProperty({ format: 'date-time', description: 'When the hour began; UTC.' })
  hour!: string;

  @ApiProperty({ type: String, nullable: true, description: 'Null: requests of no client.' })
  client_id!: string | null;

  @ApiProperty()
  requests!: number;

  @ApiProperty({ description: 'Answered 4xx, but for 429 and 499.' })
  refused!: number;

  @ApiProperty({ description: 'Answered 429.' })
  rate_limited!: number;

  @ApiProperty({ description: 'Answered 5xx.' })
  failed!: number;

  @ApiProperty({ description: 'Left before the whole answer was written.' })
  caller_left!: number;

  @ApiProperty()
  input_tokens!: number;

  @ApiProperty()
  output_tokens!: number;

  @ApiProperty()
  bytes_in!: number;

  @ApiProperty()
  bytes_out!: number;

  @ApiProperty({ description: 'Milliseconds until the responses closed, added up.' })
  latency_ms_sum!: number;

  @ApiProperty({ description: 'The longest of them.' })
  latency_ms_max!: number;
}

/** A page of hours. */
export class ApiLogRollupPageDto {
  @ApiProperty({ type: [ApiLogRollupDto] })
  data!: readonly ApiLogRollupDto[];

  @ApiProperty()
  has_more!: boolean;

  @ApiProperty({ type: String, nullable: true, description: 'The `cursor` of the next page.' })
  next_cursor!: string | null;
}
