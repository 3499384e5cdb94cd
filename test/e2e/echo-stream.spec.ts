import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { type InsertedClient } from '../support/insert-client.js';

/** Far more than the buffers between the two ends of a loopback connection hold. */
const WORDS = 400_000;

describe('a long answer of the built-in model', () => {
  let testApp: TestApp;
  let client: InsertedClient;

  beforeAll(async () => {
    testApp = await startApp({ redis: null });
    client = await testApp.createClient();
  });
  afterAll(() => testApp.stop());

  /** Asks for a long stream on a socket that reads nothing yet. */
  async function ask(): Promise<Socket> {
    const body = JSON.stringify({
      model: 'core-nest/echo',
      stream: true,
      messages: [{ role: 'user', content: 'word '.repeat(WORDS) }],
    });
    const socket = connect(testApp.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.pause();
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: ${client.apiKey}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    return socket;
  }

  it('waits for a client that reads slowly, and loses nothing', async () => {
    const socket = await ask();
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      if (text.length % 3 === 0) {
        socket.pause();
        setImmediate(() => socket.resume());
      }
    });
    socket.resume();
    await once(socket, 'end');
    expect(text).toContain('200 OK');
    expect(text).toContain('data: [DONE]');
  });

  it('ends where its client leaves, and is recorded as left', async () => {
    const socket = await ask();
    const before = testApp.records.length;
    socket.resume();
    await once(socket, 'data');
    socket.destroy();
    await eventually(() => testApp.records.length > before);
    expect(testApp.records.at(-1)).toMatchObject({ aborted: true, route: '/v1/chat/completions' });
  });
});
