import type { Server } from 'node:http';
import cors from '@fastify/cors';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type FastifyInstance, fastify } from 'fastify';
import { Clock } from '../../kernel/clock.js';
import type { Settings } from '../config/settings.js';
import { listItems } from '../config/settings.validators.js';
import { ClientAddresses } from './client-address.js';
import { answerClientError } from './client-error.js';
import type { HttpReply, HttpRequest } from './http-request.js';
import { rememberContinue } from './raw-body.js';
import { refusalOf } from './refusal.js';
import { RequestEdge } from './request-edge.js';
import { RequestObservers } from './request-observer.js';
import { traceparentFor } from './trace-context.js';
import { isClosing } from './unread-body.js';
import { writeRefusal } from './write-error.js';

const MAX_HEADER_BYTES = 16_384;
/** A header block that takes longer is answered 408. */
const HEADERS_TIMEOUT_MS = 5_000;
/** A whole request, body included, that takes longer is answered 408. */
const REQUEST_TIMEOUT_MS = 120_000;
/** Node looks for late requests this often; its own default of 30 s would make the bounds above meaningless. */
const TIMEOUT_CHECK_MS = 1_000;
/** Longer than the idle time of common load balancers (60 s), so that they, not we, close an idle connection. */
const KEEP_ALIVE_MS = 72_000;
const MAX_PARAM_LENGTH = 512;

const CORS_EXPOSED = [
  'Retry-After',
  'X-Request-Id',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'X-RateLimit-Degraded',
  'X-RateLimit-Decision',
  'RateLimit',
  'RateLimit-Policy',
];

/** Nest's Fastify adapter with the edge in front of everything: no hook, route or parser runs before it. */
export class EdgeAdapter extends FastifyAdapter {
  readonly edge: RequestEdge;

  constructor(settings: Settings) {
    const addresses = new ClientAddresses(listItems(settings.TRUSTED_PROXIES), settings.TRUSTED_PROXY_HEADER);
    const edge = new RequestEdge(addresses, new Clock(), new RequestObservers(), {
      httpsRequired: settings.HTTPS_REQUIRED === 'on',
    });
    super(createServer(edge, settings));
    this.edge = edge;
  }
}

function createServer(edge: RequestEdge, settings: Settings): FastifyInstance {
  const instance = fastify({
    logger: false,
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      // Node's own answer to a missing Host has neither request id nor body; the edge refuses it instead.
      requireHostHeader: false,
    },
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: false,
    return503OnClosing: false,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    clientErrorHandler: (error, socket) => answerClientError(edge, error, socket),
    frameworkErrors: (error, request, reply) => {
      // The router refuses a malformed path before any hook runs.
      const refusal = edge.begin(request as HttpRequest, reply as HttpReply);
      writeRefusal(request as HttpRequest, reply as HttpReply, refusal ?? refusalOf(error));
    },
  });
  prepareServer(instance.server);
  decorate(instance);
  instance.addHook('onRequest', (request, reply, done) => {
    if (isClosing(request.raw.socket)) {
      // It arrived behind a body that was not read; its connection is being closed and could not carry an answer.
      reply.hijack();
      request.raw.socket.destroy();
      return;
    }
    const refusal = edge.begin(request, reply);
    if (refusal === null) done();
    else writeRefusal(request, reply, refusal);
  });
  allowOrigins(instance, listItems(settings.CORS_ALLOWED_ORIGINS));
  return instance;
}

function prepareServer(server: Server): void {
  // All header lines are kept, so that the edge can count them; their bytes are bounded above.
  server.maxHeadersCount = 0;
  // Whoever asks before sending a body is told to go on when the body is wanted, not before (RFC 9110, 10.1.1).
  server.on('checkContinue', (request, response) => {
    rememberContinue(request, response);
    server.emit('request', request, response);
  });
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}

function decorate(instance: FastifyInstance): void {
  instance.decorateRequest('record');
  instance.decorateRequest('attempt');
  instance.decorateRequest('identity', null);
  instance.decorateRequest('openedAt', 0);
  instance.decorateRequest('openSlot', -1);
  instance.decorateRequest('traceparent', {
    getter(this: HttpRequest) {
      return traceparentFor(this.headers.traceparent);
    },
  });
  // Read by FastifyAdapter off the instance it is given: without Nest middleware there is nothing for middie to run.
  instance.decorate('skipMiddie', true);
  // Without methods that have a body Fastify reads none: handlers do, after the guards.
  for (const method of instance.supportedMethods)
    instance.addHttpMethod(method, { hasBody: false, overrideExisting: true });
}

/** CORS for the operator's own list of origins; with an empty list there is none, and no preflight is answered. */
function allowOrigins(instance: FastifyInstance, origins: string[]): void {
  if (origins.length === 0) return;
  void instance.register(cors, {
    origin: origins,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: CORS_EXPOSED,
    maxAge: 600,
    strictPreflight: false,
  });
}
