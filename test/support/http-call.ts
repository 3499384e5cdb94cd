/** An answer with its body read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests are about
  readonly body: any;
}

/** Sends one request, its body as JSON unless it is a text already, with a bearer credential or without. */
export async function httpCall(
  origin: string,
  method: string,
  path: string,
  { body, bearer }: { readonly body?: unknown; readonly bearer?: string | undefined } = {},
): Promise<Answer> {
  const response = await fetch(`${origin}${path}`, {
    method,
    headers: {
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : null };
}

/** Where the fields stood that were refused. */
export function locationsOf(answer: Answer): string[] {
  return answer.body.errors.map(({ location }: { location: string }) => location);
}
