import { type AppProcess, startAppProcess } from '../support/app-process.js';
import { eventually } from '../support/eventually.js';
import { type InsertedClient, insertClient } from '../support/insert-client.js';
import { RawConnection } from '../support/raw-http.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const BODY = JSON.stringify({ model: 'core-nest/echo', messages: [{ role: 'user', content: 'hello' }] });

let database: TestDatabase;
let client: InsertedClient;
let app: AppProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await insertClient(database);
});

beforeEach(async () => {
  app = await startAppProcess({ DATABASE_URL: database.url, SHUTDOWN_GRACE_SECONDS: '10' });
});

afterEach(async () => {
  app.child.kill('SIGKILL');
  await app.exited;
});

afterAll(() => database.drop());

/** A chat completion of which only the first half has been sent: accepted, and under way for as long as we like. */
async function halfSent(requestId: string): Promise<RawConnection> {
  const connection = await RawConnection.open(app.port);
  connection.send(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${client.apiKey}\r\nX-Request-Id: ${requestId}\r\n` +
      `Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n`,
  );
  expect((await connection.response())?.status).toBe(100);
  connection.send(BODY.slice(0, 10));
  return connection;
}

const refusesConnections = () =>
  RawConnection.open(app.port).then(
    (connection) => {
      connection.close();
      return false;
    },
    () => true,
  );

describe('SIGTERM', () => {
  it('lets an accepted request finish, writes its log row, and exits 0', async () => {
    const connection = await halfSent('drained-1');
    app.child.kill('SIGTERM');
    await eventually(refusesConnections);
    connection.send(BODY.slice(10));
    const response = await connection.response();
    expect(response).toMatchObject({ status: 200, headers: { connection: 'close', 'x-request-id': 'drained-1' } });
    expect(response?.body).toContain('chat.completion');
    expect(await app.exited).toBe(0);
    const rows = await database.query('SELECT status FROM api_logs WHERE request_id = $1', ['drained-1']);
    expect(rows).toEqual([{ status: 200 }]);
    const stopped = app.lines().find(({ message }) => message === 'stopped');
    expect(stopped).toMatchObject({ level: 'info', count: 0 });
  });

  it('ends an idle process at once, its open connections too', async () => {
    const idle = await RawConnection.open(app.port);
    idle.send('GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await idle.response()).toMatchObject({ status: 200 });
    const started = performance.now();
    app.child.kill('SIGTERM');
    expect(await app.exited).toBe(0);
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(await idle.ended()).toBe(true);
  });

  it('sent twice ends the process without waiting', async () => {
    const connection = await halfSent('cut-off');
    app.child.kill('SIGTERM');
    await eventually(refusesConnections);
    app.child.kill('SIGTERM');
    expect(await app.exited).toBe(1);
    connection.close();
  });
});
