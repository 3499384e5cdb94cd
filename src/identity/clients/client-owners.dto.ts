import { ApiProperty } from '@nestjs/swagger';
import { ValidateBy } from 'class-validator';

/** Body of `POST /api/v1/clients/:client_id/owner`. */
export class HandOverDto {
  @ApiProperty({ type: String, nullable: true, example: 'usr_0123456789ABCDEFGHIJ', description: 'null: nobody.' })
  @ValidateBy({
    name: 'isUserIdOrNull',
    validator: {
      validate: (value) => value === null || typeof value === 'string',
      defaultMessage: () => 'must be the id of an active user, or null',
    },
  })
  user_id!: string | null;
}
