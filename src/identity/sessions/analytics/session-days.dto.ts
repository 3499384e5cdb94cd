import { ApiProperty } from '@nestjs/swagger';

/** What sessions amounted to on one day: counts, and nothing of any one of them. */
export class SessionDayView {
  @ApiProperty({ format: 'date-time', description: 'When the day began; UTC.' }) day!: string;
  @ApiProperty({ type: String, nullable: true, description: 'ISO 3166-1 alpha-2, `ZZ`: unknown; null: all together.' })
  country!: string | null;
  @ApiProperty({ description: 'Sign-ins.' }) opened!: number;
  @ApiProperty({ description: 'Sessions in use.' }) sessions!: number;
  @ApiProperty({ description: 'Users of them.' }) users!: number;
  @ApiProperty({ description: 'Devices of them.' }) devices!: number;
  @ApiProperty({ description: 'Countries they were used from.' }) countries!: number;
}

/** A page of days. */
export class SessionDayPageView {
  @ApiProperty({ type: [SessionDayView] }) data!: readonly SessionDayView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true, description: 'The `cursor` of the next page.' })
  next_cursor!: string | null;
}
