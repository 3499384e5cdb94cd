import { Controller, Get, Header, HttpCode, HttpStatus, Post, Req } from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiBody,
  ApiConsumes,
  ApiOkResponse,
  ApiOperation,
  ApiServiceUnavailableResponse,
  ApiTags,
} from '@nestjs/swagger';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { ADMIN_SCOPE, PERMISSIONS, Public, Require } from '../../kernel/handler-marks.js';
import { issuerOf } from '../../platform/config/issuer.js';
import { Settings } from '../../platform/config/settings.js';
import { readFormBody } from '../../platform/http/form-body.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { originOf } from '../../records/audit/audit.service.js';
import { ClientGrantService } from './client-grant.service.js';
import { SigningKeys } from './signing-keys.service.js';
import { ClientTokenView, JwksView, OAuthMetadataView, presentClientToken, TokenRequestForm } from './tokens.dto.js';

const LIMIT_BYTES = 16_384;
/** A new key is published an hour before it signs: whoever keeps the list for five minutes knows it by then. */
const CACHED = 'public, max-age=300';
const BASIC = ['client_secret_basic'];

/** Where OAuth clients look: their token, our keys, and what else there is. */
@ApiTags('tokens')
@Controller()
export class OAuthController {
  readonly #metadata: OAuthMetadataView;

  constructor(
    settings: Settings,
    private readonly grants: ClientGrantService,
    private readonly keys: SigningKeys,
  ) {
    this.#metadata = metadataOf(issuerOf(settings));
  }

  @Post('oauth/token')
  @Require('authenticated')
  @HttpCode(HttpStatus.OK)
  @Header('pragma', 'no-cache')
  @ApiOperation({
    summary: 'A short token for a client (RFC 6749, 4.4)',
    description:
      'Authenticate with HTTP Basic, or any other way a key is sent; credentials in the body are not read. Errors are those of RFC 6749, 5.2.',
  })
  @ApiConsumes('application/x-www-form-urlencoded')
  @ApiBody({ type: TokenRequestForm })
  @ApiOkResponse({ type: ClientTokenView })
  @ApiBadRequestResponse({
    description:
      '`invalid_request`, `invalid_scope`, `invalid_target`, `unauthorized_client`, `unsupported_grant_type`.',
  })
  async token(@Req() request: HttpRequest): Promise<ClientTokenView> {
    if (request.identity === null) throw new AuthUnavailableError();
    const parameters = await readFormBody(request, LIMIT_BYTES);
    return presentClientToken(await this.grants.grant(request.identity, parameters, originOf(request)));
  }

  @Get('.well-known/jwks.json')
  @Public()
  @Header('cache-control', CACHED)
  @ApiOperation({ summary: 'The public keys of access tokens (RFC 7517)' })
  @ApiOkResponse({ type: JwksView })
  @ApiServiceUnavailableResponse({ description: 'There is no key yet.' })
  jwks(): JwksView {
    const keys = this.keys.published();
    if (keys.length === 0) throw new AuthUnavailableError();
    return { keys };
  }

  @Get('.well-known/oauth-authorization-server')
  @Public()
  @Header('cache-control', CACHED)
  @ApiOperation({ summary: 'What there is of OAuth, and where (RFC 8414)' })
  @ApiOkResponse({ type: OAuthMetadataView })
  metadata(): OAuthMetadataView {
    return this.#metadata;
  }
}

function metadataOf(issuer: string): OAuthMetadataView {
  return {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    token_endpoint: `${issuer}/oauth/token`,
    revocation_endpoint: `${issuer}/api/v1/auth/revoke`,
    introspection_endpoint: `${issuer}/api/v1/auth/introspect`,
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
    scopes_supported: [...PERMISSIONS, ADMIN_SCOPE],
    token_endpoint_auth_methods_supported: BASIC,
    revocation_endpoint_auth_methods_supported: BASIC,
    introspection_endpoint_auth_methods_supported: BASIC,
  };
}
