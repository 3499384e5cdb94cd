import { ApiProperty } from '@nestjs/swagger';
import type { ModelView } from './model-list.service.js';

/** A model, as OpenAPI shows it. */
export class ModelDto implements ModelView {
  @ApiProperty({ example: 'core-nest/echo' }) id!: string;
  @ApiProperty({ enum: ['model'] }) object!: 'model';
  @ApiProperty({ type: 'integer', description: 'Unix seconds.' }) created!: number;
  @ApiProperty({ example: 'core-nest' }) owned_by!: string;
  @ApiProperty({ enum: ['model'] }) type!: 'model';
  @ApiProperty({ example: 'core-nest/echo' }) display_name!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
}

/** The list of models; it is always whole. */
export class ModelPageDto {
  @ApiProperty({ enum: ['list'] }) object!: string;
  @ApiProperty({ type: [ModelDto] }) data!: readonly ModelDto[];
  @ApiProperty({ example: false }) has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) first_id!: string | null;
  @ApiProperty({ type: String, nullable: true }) last_id!: string | null;
}
