/** The keys that the first start made. */
export interface FirstKeys {
  readonly admin: string;
  readonly demo: string;
}

const CHAT = '{"model":"core-nest/echo","messages":[{"role":"user","content":"Hello"}]}';
const CHAT_STREAMED = '{"model":"core-nest/echo","stream":true,"messages":[{"role":"user","content":"Hello"}]}';
const CHAT_OPENAI = '{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}';
const JSON_TYPE = "-H 'Content-Type: application/json'";

/** What to paste into another terminal, each line whole. Without keys the lines use `$DEMO_KEY` and `$ADMIN_KEY`. */
export function pasteableLines(origin: string, keys: FirstKeys | undefined): string {
  const bearer = (value: string | undefined, variable: string) =>
    value ? `-H 'Authorization: Bearer ${value}'` : `-H "Authorization: Bearer $${variable}"`;
  const demo = bearer(keys?.demo, 'DEMO_KEY');
  const admin = bearer(keys?.admin, 'ADMIN_KEY');
  const examples = [
    ['A chat completion with our key', `curl -sS ${origin}/v1/chat/completions ${demo} ${JSON_TYPE} -d '${CHAT}'`],
    ['The same, streamed', `curl -sSN ${origin}/v1/chat/completions ${demo} ${JSON_TYPE} -d '${CHAT_STREAMED}'`],
    [
      "With the caller's own provider token (the echo model takes any)",
      `curl -sS ${origin}/v1/chat/completions -H 'X-Provider-Token: any-token' ${JSON_TYPE} -d '${CHAT}'`,
    ],
    [
      'With a real one (needs your OPENAI_API_KEY)',
      `curl -sS ${origin}/v1/chat/completions -H "X-Provider-Token: $OPENAI_API_KEY" ${JSON_TYPE} -d '${CHAT_OPENAI}'`,
    ],
    ['Who am I', `curl -sS ${origin}/api/v1/whoami ${demo}`],
    ['Make a client', `curl -sS ${origin}/api/v1/clients ${admin} ${JSON_TYPE} -d '{"name":"my-app"}'`],
    ['Read the logs', `curl -sS '${origin}/api/v1/api-logs?limit=5' ${admin}`],
  ];
  return examples.map(([title, line]) => `# ${title}\n${line}`).join('\n\n');
}

/** How to make another key when the first ones are gone. */
export function newKeyLines(): string {
  const make = (variable: string, flags: string) =>
    `${variable}=$(npm run --silent cli -- clients create ${flags} --json | sed -n 's/.*"api_key": *"\\([^"]*\\)".*/\\1/p')`;
  return [make('ADMIN_KEY', '--name ops --scope admin'), make('DEMO_KEY', '--name demo')].join('\n');
}
