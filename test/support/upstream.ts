import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it reached the provider. */
export interface UpstreamRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** What the provider does with one request; it has the whole body by then. */
export type UpstreamAnswer = (response: ServerResponse, request: UpstreamRequest) => void | Promise<void>;

/** A stand-in for a provider: a plain HTTP server that keeps what it was asked and does what the test says. */
export interface Upstream {
  readonly origin: string;
  readonly requests: UpstreamRequest[];
  /** Requests whose connection closed before they were answered. */
  readonly aborted: UpstreamRequest[];
  /** Connections that are open now. */
  connections(): Promise<number>;
  /** How the requests from now on are answered. */
  answer: UpstreamAnswer;
  close(): Promise<void>;
}

/** Answers `{}` until told otherwise. */
export async function startUpstream(answer: UpstreamAnswer = json({})): Promise<Upstream> {
  const requests: UpstreamRequest[] = [];
  const aborted: UpstreamRequest[] = [];
  const server = createServer((message, response) => {
    void read(message).then(
      (request) => {
        requests.push(request);
        response.on('close', () => {
          if (!response.writableFinished) aborted.push(request);
        });
        return upstream.answer(response, request);
      },
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const upstream: Upstream = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    aborted,
    answer,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return upstream;
}

/** Answers with a JSON document. */
export function json(value: unknown, status = 200, headers: Record<string, string | string[]> = {}): UpstreamAnswer {
  return (response) => {
    const text = JSON.stringify(value);
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      ...headers,
    });
    response.end(text);
  };
}

async function read(message: IncomingMessage): Promise<UpstreamRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return {
    method: message.method ?? '',
    url: message.url ?? '',
    headers: message.headers,
    rawHeaders: message.rawHeaders,
    body: Buffer.concat(chunks),
  };
}
