// Requests that several sections send.

/** `GET /api/v1/whoami` of a server, or of several behind one address. */
export function whoami(server, key) {
  return { server, url: `${server.origin}/api/v1/whoami`, headers: { authorization: `Bearer ${key}` } };
}
