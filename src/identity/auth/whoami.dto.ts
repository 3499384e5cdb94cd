import { ApiProperty } from '@nestjs/swagger';

/** Who a caller is taken for. */
export class WhoamiView {
  @ApiProperty({ enum: ['client', 'jwt', 'session', 'byot'], description: '`byot`: known by a provider token alone.' })
  method!: string;
  @ApiProperty({ type: String, nullable: true, example: 'cn_live_0123456789AB' }) client_id!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Who signed in, or the owner of the key.' }) user_id!:
    | string
    | null;
  @ApiProperty({ type: String, nullable: true, example: 'paid' }) tier!: string | null;
  @ApiProperty({ type: [String], nullable: true, example: ['llm:invoke'] }) scopes!: readonly string[] | null;
  @ApiProperty({ type: String, nullable: true, description: 'Whose token came along.' }) provider!: string | null;
  @ApiProperty({ example: 'req_0123456789abcdef01234567' }) request_id!: string;
}
