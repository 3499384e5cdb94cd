/**
 * What decides on the short tokens of the row `client` at `:now`, as one JSON value (see `CachedTokens`). It stands in the
 * statement that reads the client, so that all of it is of one moment.
 */
export const TOKENS_JSON = `json_build_object(
  'epoch', (SELECT everything.epoch FROM token_epochs AS everything WHERE everything.name = 'all') || '.' || client.token_epoch,
  'revoked', (SELECT coalesce(json_agg(token.jti), '[]') FROM revoked_tokens AS token
    WHERE token.client_id = client.client_id AND token.expires_at > :now))`;
