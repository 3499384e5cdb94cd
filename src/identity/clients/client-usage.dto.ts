import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiQuery } from '@nestjs/swagger';

/** What a client asked for on one day. */
export class UsageDayView {
  @ApiProperty({ format: 'date', description: 'UTC.' }) day!: string;
  @ApiProperty() requests!: number;
  @ApiProperty({ description: 'Answered 4xx or 5xx.' }) errors!: number;
  @ApiProperty() input_tokens!: number;
  @ApiProperty() output_tokens!: number;
}

/** What a client asked for, day by day. */
export class UsageView {
  @ApiProperty({ example: 'cn_live_0123456789AB' }) client_id!: string;
  @ApiProperty({ format: 'date' }) from!: string;
  @ApiProperty({ format: 'date' }) to!: string;
  @ApiProperty({ type: [UsageDayView], description: 'Days on which it asked for nothing are left out.' })
  data!: UsageDayView[];
}

/** Shows OpenAPI the parameters of a route that tells the usage. */
export const ApiUsageQuery = () =>
  applyDecorators(
    ApiQuery({
      name: 'from',
      required: false,
      description: 'The first day; by default the 30th up to `to`. At most 366 days.',
      schema: { type: 'string', format: 'date' },
    }),
    ApiQuery({
      name: 'to',
      required: false,
      description: 'The last day; by default today.',
      schema: { type: 'string', format: 'date' },
    }),
  );
