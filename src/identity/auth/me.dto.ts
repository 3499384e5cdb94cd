import { ApiProperty } from '@nestjs/swagger';

/** A user as they see themselves. */
export class MyProfileView {
  @ApiProperty({ example: 'usr_0123456789ABCDEFGHIJ' }) user_id!: string;
  @ApiProperty({ format: 'email' }) email!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ enum: ['active'] }) status!: string;
  @ApiProperty({ example: 'paid' }) tier!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
}

/** A session, as far as its user needs to know it again. */
export class MySessionView {
  @ApiProperty({ example: 'ses_0123456789ABCDEFGHIJ' }) id!: string;
  @ApiProperty({ description: 'The request that asks came with this session.' }) current!: boolean;
  @ApiProperty({ enum: ['token', 'cookie'] }) kind!: string;
  @ApiProperty({ type: String, nullable: true, example: 'Firefox 140 on Linux' }) device!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'DE' }) country!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) last_seen_at!: string;
}

/** A key, as far as its owner needs to know it again. */
export class MyKeyView {
  @ApiProperty({ example: 'cn_live_0123456789AB' }) client_id!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ enum: ['active', 'disabled'] }) status!: string;
  @ApiProperty({ type: [String], example: ['llm:invoke'] }) scopes!: readonly string[];
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) expires_at!: string | null;
}

/** Everything about whoever is signed in, or about the owner of the key that calls. */
export class MeView {
  @ApiProperty({ type: MyProfileView }) user!: MyProfileView;
  @ApiProperty({ type: [String], example: ['admin'], description: 'Held now, for everything.' })
  permissions!: readonly string[];
  @ApiProperty({ type: [MySessionView], description: 'The newest fifty; the rest is at /api/v1/sessions.' })
  sessions!: MySessionView[];
  @ApiProperty({ type: [MyKeyView], description: 'The newest fifty; the rest is at /api/v1/api-keys.' })
  api_keys!: MyKeyView[];
}
