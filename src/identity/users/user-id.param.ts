import { ApiParam } from '@nestjs/swagger';

/** Shows OpenAPI the user id in a route's path. */
export const ApiUserId = () =>
  ApiParam({ name: 'user_id', schema: { type: 'string', example: 'usr_0123456789ABCDEFGHIJ' } });
