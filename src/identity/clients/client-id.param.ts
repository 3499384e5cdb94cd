import { ApiParam } from '@nestjs/swagger';

/** Shows OpenAPI the client id in a route's path. */
export const ApiClientId = () =>
  ApiParam({ name: 'client_id', schema: { type: 'string', example: 'cn_live_0123456789AB' } });
