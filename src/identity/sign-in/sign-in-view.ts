import type { CookieSignInView, TokenSignInView } from './sign-in.dto.js';
import type { SignedIn } from './sign-in.service.js';

/** What is answered to a sign-in. @param csrfToken of the session, in mode `cookie`. */
export function presentSignIn(signedIn: SignedIn, csrfToken = ''): TokenSignInView | CookieSignInView {
  const { user, opened, tokens } = signedIn;
  const view = { session_id: opened.session.id, user: { id: user.id, email: user.email, name: user.name } };
  if (tokens === null) return { ...view, csrf_token: csrfToken };
  return {
    access_token: tokens.accessToken.reveal(),
    token_type: 'Bearer',
    expires_in: tokens.expiresIn,
    refresh_token: tokens.refreshToken.reveal(),
    refresh_expires_in: tokens.refreshExpiresIn,
    ...view,
  };
}
