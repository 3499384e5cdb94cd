import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApp } from '../../src/app.setup.js';
import type { RequestRecord } from '../../src/kernel/request-record.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { RequestObservers } from '../../src/platform/http/request-observer.js';
import { buildSettings } from './build-settings.js';
import { insertClient } from './insert-client.js';
import { createTestDatabase } from './test-database.js';
import { startUpstream, type Upstream } from './upstream.js';

export const HOUSE_KEYS = {
  openai: 'sk-house-openai-key',
  anthropic: 'sk-ant-house-anthropic-key',
  gemini: 'AIza-house-gemini-key',
} as const;

/** The whole application on a database of its own, one client, and one stand-in for every provider. */
export interface GatewayApp {
  readonly app: NestFastifyApplication;
  readonly url: string;
  readonly port: number;
  readonly apiKey: string;
  readonly upstream: Upstream;
  /** The records of requests whose response has closed, oldest first. */
  readonly records: RequestRecord[];
  /** Posts JSON with the client's key. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

/** Starts it; the providers' base URLs lead to the stand-in under `/openai/v1`, `/anthropic` and `/gemini`. */
export async function startGatewayApp(overrides: Partial<Record<keyof Settings, string>> = {}): Promise<GatewayApp> {
  const [database, upstream] = await Promise.all([createTestDatabase(), startUpstream()]);
  const { apiKey } = await insertClient(database, { scopes: ['llm:invoke'] });
  const settings = buildSettings({
    DATABASE_URL: database.url,
    OPENAI_API_KEY: HOUSE_KEYS.openai,
    OPENAI_BASE_URL: `${upstream.origin}/openai/v1`,
    ANTHROPIC_API_KEY: HOUSE_KEYS.anthropic,
    ANTHROPIC_BASE_URL: `${upstream.origin}/anthropic`,
    GEMINI_API_KEY: HOUSE_KEYS.gemini,
    GEMINI_BASE_URL: `${upstream.origin}/gemini`,
    RATE_LIMITS: 'general.paid=100000/3600,query=100000/60',
    ...overrides,
  });
  const app = await createApp(settings);
  const records: RequestRecord[] = [];
  app.get(RequestObservers, { strict: false }).add({ onRecordClosed: (record) => records.push(record) });
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    app,
    url,
    port,
    apiKey,
    upstream,
    records,
    post: (path, body, headers = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    close: async () => {
      app.getHttpServer().closeAllConnections();
      await app.close();
      await upstream.close();
      await database.drop();
    },
  };
}
