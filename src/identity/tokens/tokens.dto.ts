import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, MaxLength, MinLength } from 'class-validator';
import type { ClientToken } from './client-grant.service.js';
import type { RefreshedTokens } from './refresh.service.js';
import type { PublicJwk } from './signing-key.js';

/** What a token may be long at most. */
const MAX_TOKEN = 4_096;

/** The token to be exchanged. */
export class RefreshDto {
  @ApiProperty({ description: 'The one that was given last.', example: 'cnr_…' })
  @IsString()
  @MinLength(1)
  @MaxLength(MAX_TOKEN)
  refresh_token!: string;
}

/** A token that something is asked about (RFC 7009, 2.1; RFC 7662, 2.1). */
export class PresentedTokenDto {
  @ApiProperty({ description: 'An access token or a refresh token.' })
  @IsString()
  @MinLength(1)
  @MaxLength(MAX_TOKEN)
  token!: string;

  @ApiPropertyOptional({ description: 'Not needed: the two kinds are told apart by their form.' })
  @IsOptional()
  @IsString()
  @MaxLength(64)
  token_type_hint?: string;
}

/** The tokens of a sign-in, renewed. */
export class RefreshedTokensView {
  @ApiProperty() access_token!: string;
  @ApiProperty({ enum: ['Bearer'] }) token_type!: 'Bearer';
  @ApiProperty({ description: 'Seconds the access token lives.', example: 600 }) expires_in!: number;
  @ApiProperty({ description: 'Takes the place of the one that was sent.' }) refresh_token!: string;
  @ApiProperty({ description: 'Seconds after which it ends when it is not used.' }) refresh_expires_in!: number;
  @ApiProperty({ example: 'ses_0123456789ABCDEFGHIJ' }) session_id!: string;
}

/** A short token of a client (RFC 6749, 5.1). */
export class ClientTokenView {
  @ApiProperty() access_token!: string;
  @ApiProperty({ enum: ['Bearer'] }) token_type!: 'Bearer';
  @ApiProperty({ description: 'Seconds it lives.', example: 600 }) expires_in!: number;
  @ApiProperty({ description: 'What it may do, at most.', example: 'llm:invoke' }) scope!: string;
}

/** What is said of a token; of one that is not good nothing but that. */
export class IntrospectionView {
  @ApiProperty() active!: boolean;
  @ApiPropertyOptional() iss?: string;
  @ApiPropertyOptional() aud?: string;
  @ApiPropertyOptional({ description: 'The user, or the client.' }) sub?: string;
  @ApiPropertyOptional({ description: '`core-nest` for people who signed in.' }) client_id?: string;
  @ApiPropertyOptional({ enum: ['Bearer', 'refresh_token'] }) token_type?: 'Bearer' | 'refresh_token';
  @ApiPropertyOptional() jti?: string;
  @ApiPropertyOptional({ description: 'The session of the sign-in.' }) sid?: string;
  @ApiPropertyOptional({ description: 'What it was narrowed to; absent: it was not.' }) scope?: string;
  @ApiPropertyOptional({ description: 'Unix seconds.' }) iat?: number;
  @ApiPropertyOptional({ description: 'Unix seconds.' }) exp?: number;
  @ApiPropertyOptional({ description: 'When the person last proved who they are; Unix seconds.' }) auth_time?: number;
}

/** The form of `POST /oauth/token`. */
export class TokenRequestForm {
  @ApiProperty({ enum: ['client_credentials'] }) grant_type!: 'client_credentials';
  @ApiPropertyOptional({ description: 'Separated by blanks; absent: all that the client holds.' }) scope?: string;
  @ApiPropertyOptional({ description: 'This service, by its audience or its URL; no other.' }) resource?: string;
}

/** A public key (RFC 7517). */
export class JwkView implements PublicJwk {
  @ApiProperty({ enum: ['EC'] }) kty!: 'EC';
  @ApiProperty({ enum: ['P-256'] }) crv!: 'P-256';
  @ApiProperty() x!: string;
  @ApiProperty() y!: string;
  @ApiProperty() kid!: string;
  @ApiProperty({ enum: ['sig'] }) use!: 'sig';
  @ApiProperty({ enum: ['ES256'] }) alg!: 'ES256';
}

/** The public keys that access tokens are verified with. */
export class JwksView {
  @ApiProperty({ type: [JwkView] }) keys!: JwkView[];
}

/** What this service does of OAuth, and where (RFC 8414). */
export class OAuthMetadataView {
  @ApiProperty() issuer!: string;
  @ApiProperty() jwks_uri!: string;
  @ApiProperty() token_endpoint!: string;
  @ApiProperty() revocation_endpoint!: string;
  @ApiProperty() introspection_endpoint!: string;
  @ApiProperty({ type: [String] }) grant_types_supported!: string[];
  @ApiProperty({ type: [String] }) response_types_supported!: string[];
  @ApiProperty({ type: [String] }) scopes_supported!: string[];
  @ApiProperty({ type: [String] }) token_endpoint_auth_methods_supported!: string[];
  @ApiProperty({ type: [String] }) revocation_endpoint_auth_methods_supported!: string[];
  @ApiProperty({ type: [String] }) introspection_endpoint_auth_methods_supported!: string[];
}

/** As the wire has it. */
export function presentRefreshed(tokens: RefreshedTokens): RefreshedTokensView {
  return {
    access_token: tokens.accessToken.reveal(),
    token_type: 'Bearer',
    expires_in: tokens.expiresIn,
    refresh_token: tokens.refreshToken.reveal(),
    refresh_expires_in: tokens.refreshExpiresIn,
    session_id: tokens.sessionId,
  };
}

/** As the wire has it. */
export function presentClientToken({ accessToken, expiresIn, scopes }: ClientToken): ClientTokenView {
  return {
    access_token: accessToken.reveal(),
    token_type: 'Bearer',
    expires_in: expiresIn,
    scope: scopes.join(' '),
  };
}
