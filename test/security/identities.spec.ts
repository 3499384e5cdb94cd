import { ClientsRepository } from '../../src/identity/clients/clients.repository.js';
import { CredentialService } from '../../src/identity/clients/credential.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { type InsertedClient, wrongKeyOf } from '../support/insert-client.js';
import { RawConnection } from '../support/raw-http.js';

const CLIENTS = 12;

/** A request that says who it is, and what must come back. */
interface Asking {
  readonly what: string;
  readonly target: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly status: number;
  readonly answer: object;
}

let app: TestApp;
let clients: InsertedClient[];

beforeAll(async () => {
  app = await startApp();
  clients = await Promise.all(
    Array.from({ length: CLIENTS }, (_, i) => app.createClient({ scopes: i % 2 ? ['llm:invoke'] : ['logs:read'] })),
  );
});

afterAll(() => app?.stop());

/** The `i`-th of a mix of all kinds of caller, each with an answer of its own. */
function asking(i: number): Asking {
  const client = clients[i % CLIENTS] as InsertedClient;
  const next = clients[(i + 1) % CLIENTS] as InsertedClient;
  const whoami = { target: 'GET /api/v1/whoami', status: 200 };
  const known = {
    method: 'client',
    client_id: client.clientId,
    scopes: [(i % CLIENTS) % 2 ? 'llm:invoke' : 'logs:read'],
  };
  const smuggled = `GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\nX-API-Key: ${next.apiKey}\r\n\r\n`;
  const kinds: Asking[] = [
    { what: 'bearer', ...whoami, headers: { Authorization: `Bearer ${client.apiKey}` }, answer: known },
    { what: 'key', ...whoami, headers: { 'X-API-Key': client.apiKey }, answer: known },
    { what: 'byot', ...whoami, headers: { 'X-Provider-Token': 'sk-x' }, answer: { method: 'byot', client_id: null } },
    {
      what: 'nobody',
      ...whoami,
      status: 401,
      headers: {},
      answer: { code: 'missing_credentials' },
    },
    {
      what: 'wrong secret',
      ...whoami,
      status: 401,
      headers: { 'X-API-Key': wrongKeyOf(client.clientId) },
      answer: { code: 'invalid_api_key' },
    },
    {
      what: 'ambiguous',
      ...whoami,
      status: 400,
      headers: { Authorization: `Bearer ${client.apiKey}`, 'X-API-Key': next.apiKey },
      answer: { code: 'ambiguous_credentials' },
    },
    {
      what: 'refused with a body that looks like a request of another',
      target: 'POST /api/v1/clients',
      status: 403,
      headers: { 'X-API-Key': client.apiKey },
      body: smuggled.repeat(200),
      answer: { code: 'permission_denied' },
    },
    {
      what: 'nobody with such a body',
      target: 'POST /v1/chat/completions',
      status: 401,
      headers: {},
      body: smuggled,
      answer: { error: { code: 'missing_credentials' } },
    },
  ];
  return kinds[i % kinds.length] as Asking;
}

function wire({ target, headers, body = '' }: Asking, id: string): string {
  const lines = Object.entries({ ...headers, ...(body && { 'Content-Length': String(Buffer.byteLength(body)) }) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${target} HTTP/1.1\r\nHost: x\r\nX-Request-Id: ${id}\r\n${head}\r\n${body}`;
}

async function next(connection: RawConnection) {
  const response = await connection.response();
  if (response === null) throw new Error('The connection ended without an answer.');
  return response;
}

describe('one connection', () => {
  it('carries 200 requests of every kind of caller, each answered as its own', async () => {
    const connection = await RawConnection.open(app.port);
    for (let i = 0; i < 200; i++) {
      const asked = asking(i);
      connection.send(wire(asked, `row-${i}`));
      const { status, headers, body } = await next(connection);
      expect({ i, what: asked.what, status, id: headers['x-request-id'] }).toEqual({
        i,
        what: asked.what,
        status: asked.status,
        id: `row-${i}`,
      });
      expect(JSON.parse(body)).toMatchObject(asked.answer);
    }
    connection.close();
  });

  it('carries 80 of them sent in one piece, answered in their order', async () => {
    const connection = await RawConnection.open(app.port);
    const all = Array.from({ length: 80 }, (_, i) => asking(i)).filter(({ body }) => body === undefined);
    connection.send(all.map((each, i) => wire(each, `piped-${i}`)).join(''));
    for (const [i, asked] of all.entries()) {
      const { status, headers, body } = await next(connection);
      expect([headers['x-request-id'], status]).toEqual([`piped-${i}`, asked.status]);
      expect(JSON.parse(body)).toMatchObject(asked.answer);
    }
    connection.close();
  });

  it('leaves the rows of the log with whom they belong to', async () => {
    app.records.length = 0;
    const connection = await RawConnection.open(app.port);
    for (let i = 0; i < 48; i++) {
      connection.send(wire(asking(i), `logged-${i}`));
      await next(connection);
    }
    connection.close();
    expect(app.records).toHaveLength(48);
    for (const [i, record] of app.records.entries()) {
      const { what } = asking(i);
      const identified = ['bearer', 'key', 'refused with a body that looks like a request of another'].includes(what);
      expect({ id: record.requestId, client: record.clientId, method: record.authMethod }).toEqual({
        id: `logged-${i}`,
        client: identified ? clients[i % CLIENTS]?.clientId : null,
        method: identified ? 'client' : what === 'byot' ? 'byot' : null,
      });
    }
  });
});

describe('500 requests at once', () => {
  it('of every kind of caller are each answered as their own', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        const asked = asking(i);
        const [method = '', path] = asked.target.split(' ');
        const init = { method, headers: { ...asked.headers, 'x-request-id': `at-once-${i}` }, body: asked.body };
        const response = await fetch(`${app.url}${path}`, init);
        return { i, asked, response, body: await response.json() };
      }),
    );
    for (const { i, asked, response, body } of outcomes) {
      expect([i, response.headers.get('x-request-id')]).toEqual([i, `at-once-${i}`]);
      // BYOT is bounded per address, and wrong secrets wait for bcrypt: both may be told to come back.
      if (asked.what === 'byot' && response.status === 429) continue;
      if (asked.what === 'wrong secret' && response.status === 503) continue;
      expect([asked.what, response.status]).toEqual([asked.what, asked.status]);
      expect(body).toMatchObject(asked.answer);
    }
  });

  it('of one client nobody has seen yet cost one bcrypt and a few reads of PostgreSQL', async () => {
    const client = await app.createClient();
    const credentials = app.app.get(CredentialService, { strict: false });
    const read = jest.spyOn(app.app.get(ClientsRepository, { strict: false }), 'findForAuthentication');
    const comparisons = credentials.comparisons;
    const responses = await Promise.all(
      Array.from({ length: 500 }, () =>
        fetch(`${app.url}/api/v1/whoami`, { headers: { 'x-api-key': client.apiKey } }).then(
          async (response) => [response.status, ((await response.json()) as { client_id: string }).client_id] as const,
        ),
      ),
    );
    for (const response of responses) expect(response).toEqual([200, client.clientId]);
    expect(credentials.comparisons - comparisons).toBe(1);
    expect(read.mock.calls.length).toBeGreaterThanOrEqual(1);
    expect(read.mock.calls.length).toBeLessThanOrEqual(5);
  });
});
