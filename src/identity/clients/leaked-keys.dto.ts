import { ApiProperty, PartialType } from '@nestjs/swagger';
import { ValidateBy } from 'class-validator';
import { PendingChangeView } from '../../platform/http/pending-change.js';
import { parseApiKey } from './api-key.js';

/** What a report holds at most, in bytes. */
export const LEAK_REPORT_LIMIT_BYTES = 1_024;

/** A whole api key: its form and its checksum are looked at, and nothing is asked of anybody. */
const IsApiKey = () =>
  ValidateBy({
    name: 'isApiKey',
    validator: {
      validate: (value) => typeof value === 'string' && parseApiKey(value) !== null,
      defaultMessage: () => 'must be a whole API key, cn_live_… or cn_test_…; its checksum does not match',
    },
  });

/** Body of `POST /api/v1/leaked-keys`. */
export class LeakReportDto {
  @ApiProperty({ description: 'The whole key, as it was found.', writeOnly: true })
  @IsApiKey()
  api_key!: string;
}

/** A leaked key that was revoked; the further fields only while not every replica has confirmed it. */
export class LeakedKeyView extends PartialType(PendingChangeView) {
  @ApiProperty({ enum: [true] }) revoked!: true;
  @ApiProperty({ example: 'cn_live_0123456789AB' }) client_id!: string;
  @ApiProperty({ description: 'The last four characters of the secret that was revoked.' }) hint!: string;
}
