import { Injectable } from '@nestjs/common';
import { InvalidRequestError, MissingCredentialsError, UnsupportedMediaTypeError } from '../../kernel/app-error.js';
import type { AuthState } from '../../kernel/auth-state.js';
import { Settings } from '../../platform/config/settings.js';
import { bodyLimitOf } from '../../platform/http/body-limit.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { readRawBody } from '../../platform/http/raw-body.js';
import { StreamLimiterService } from '../rate-limit/stream-limiter.service.js';
import { writeLocalAnswer } from './local-answer.js';
import { ModelAccess } from './model-access.js';
import { ModelResolver, type ResolvedModel } from './model-resolver.js';
import { ProviderKeys } from './provider-keys.js';
import { type Operation, type Provider, ROUTE_OF } from './providers/provider.js';
import { relay } from './relay.js';
import { type JsonObject, modelOf, readRequestBody, streamOf, withModel } from './request-body.js';
import { UpstreamPools } from './upstream-pools.js';
import { warmUpDataPlane } from './warm-up.js';

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json[\t ]*(?:;|$)/i;

interface Call {
  readonly operation: Operation;
  /** The model as the caller named it. */
  readonly asked: string;
  readonly model: ResolvedModel;
  readonly json: JsonObject;
  /** What a remote provider is sent. */
  readonly bytes: Buffer;
  readonly sse: boolean;
}

/**
 * Takes a request of one of the LLM routes to the provider of its model, and the answer back. Every method throws an
 * `AppError` as long as nothing was written; afterwards a failure breaks the connection off instead.
 */
@Injectable()
export class GatewayService {
  constructor(
    private readonly settings: Settings,
    private readonly resolver: ModelResolver,
    private readonly keys: ProviderKeys,
    private readonly pools: UpstreamPools,
    private readonly access: ModelAccess,
    private readonly streams: StreamLimiterService,
  ) {}

  /** Serves a route whose body names the model. */
  async serveByBody(operation: Operation, request: HttpRequest, reply: HttpReply): Promise<void> {
    const body = readRequestBody(await this.readBody(request));
    const asked = modelOf(body);
    const model = this.admit(operation, asked, 'body.model', request);
    if (streamOf(body)) request.record.stream = true;
    const bytes = withModel(body, model.upstream);
    return this.answer({ operation, asked, model, json: body.json, bytes, sse: false }, request, reply);
  }

  /** Serves a route whose path names the model; `sse` asks for server-sent events in place of a JSON array. */
  async serveByPath(
    operation: Operation,
    asked: string,
    sse: boolean,
    request: HttpRequest,
    reply: HttpReply,
  ): Promise<void> {
    const { json, bytes } = readRequestBody(await this.readBody(request));
    const model = this.admit(operation, asked, 'path.model', request);
    if (operation === 'stream_generate') request.record.stream = true;
    return this.answer({ operation, asked, model, json, bytes, sse }, request, reply);
  }

  /**
   * Runs the code that forwards requests until it is compiled. Call it before saying that the process is ready. Never
   * throws: a process that cannot warm up still serves.
   */
  async warmUp(): Promise<void> {
    await warmUpDataPlane().catch(() => undefined);
  }

  private readBody(request: HttpRequest): Promise<Buffer> {
    const { 'content-type': type, 'content-encoding': encoding } = request.headers;
    if (type !== undefined && !JSON_TYPE.test(type))
      throw new UnsupportedMediaTypeError('The body must be JSON: send "Content-Type: application/json".');
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
      throw new UnsupportedMediaTypeError('The body must not be compressed: leave Content-Encoding out.');
    return readRawBody(request, bodyLimitOf(request, callerOf(request).kind, this.settings));
  }

  private admit(operation: Operation, asked: string, location: string, request: HttpRequest): ResolvedModel {
    const model = this.resolver.resolve(asked);
    request.record.provider = model.provider.name;
    request.record.model = model.name;
    this.access.assertAllowed(callerOf(request), asked, model);
    if (!model.provider.operations.has(operation))
      throw new InvalidRequestError([
        { location, message: `is not served on this route; ${servedOn(model.provider)}` },
      ]);
    return model;
  }

  private async answer(call: Call, request: HttpRequest, reply: HttpReply): Promise<void> {
    const { operation, model, json, bytes, sse } = call;
    const { provider, upstream } = model;
    if (request.record.stream) await this.streams.enter(request, reply);
    if (provider.kind === 'local')
      return writeLocalAnswer(provider.answer(operation, json, call.asked, sse), request.record, reply);
    const key = this.keys.keyFor(callerOf(request), provider);
    const headers = provider.headers(operation, key.value, request.headers, key.callersOwn);
    headers.traceparent = request.traceparent;
    return relay({
      pool: this.pools.get(provider),
      path: provider.path(operation, upstream, sse),
      headers,
      body: bytes,
      callersOwnKey: key.callersOwn,
      usageDialect: provider.usageDialect(operation),
      record: request.record,
      reply,
    });
  }
}

/** Who is calling. @throws MissingCredentialsError when no guard has said so: nothing is forwarded for nobody. */
export function callerOf(request: HttpRequest): AuthState {
  if (request.identity === null) throw new MissingCredentialsError();
  return request.identity.state;
}

function servedOn(provider: Provider): string {
  const routes = [...provider.operations].map((operation) => ROUTE_OF[operation]);
  return `models of ${provider.name} are served on ${routes.join(', ')}`;
}
