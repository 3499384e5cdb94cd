import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HttpsRequiredError } from '../../kernel/app-error.js';
import type { Clock } from '../../kernel/clock.js';
import { RequestRecord } from '../../kernel/request-record.js';
import type { AddressGate } from './address-gate.js';
import { callerKindOf } from './caller-kind.js';
import type { ClientAddresses } from './client-address.js';
import type { HttpReply, HttpRequest } from './http-request.js';
import { OpenRequests } from './open-requests.js';
import { MALFORMED_REQUEST, type Refusal, refusalOfStatus } from './refusal.js';
import { newRequestId, requestIdFor } from './request-id.js';
import type { RequestObservers } from './request-observer.js';
import { MACHINE_HEADERS, SECURITY_HEADERS, STRICT_TRANSPORT_SECURITY } from './security-headers.js';

const MAX_HEADER_LINES = 100;
const MAX_URL_LENGTH = 8_192;

/** What a supervisor asks on the machine itself: open to every address, and without TLS. */
const HEALTH_PATH = /^\/health\/(?:live|ready)(?:\?|$)/;

const HEADERS_TOO_LARGE = refusalOfStatus(431);
const URI_TOO_LONG = refusalOfStatus(414);
const PLAIN_HTTP = new HttpsRequiredError();

interface EdgeOptions {
  /** Refuse what did not come by TLS (`HTTPS_REQUIRED`). */
  readonly httpsRequired: boolean;
}

/** What the edge remembers of a connection. */
interface Peer {
  readonly address: string;
  readonly trusted: boolean;
  /** Bytes sent on it up to the end of the last response. */
  sent: number;
  /** The request being answered on it. */
  request: HttpRequest | null;
  /** Responses that wait behind another on it; null until there was one. */
  pipelined: Set<EdgeResponse> | null;
}

const PEER = Symbol('peer');
const REQUEST = Symbol('request');
type EdgeSocket = Socket & { [PEER]?: Peer };
type EdgeResponse = ServerResponse & { [REQUEST]?: HttpRequest };

/**
 * The first and the last to see a request: gives it its id, its client's address and its record, says whether its form
 * is one we read at all, and hands the record on, once, when the response has closed.
 */
export class RequestEdge {
  /** Requests whose response has not closed. */
  readonly open = new OpenRequests();
  #draining = false;
  #gate: AddressGate | null = null;
  readonly #close: (this: EdgeResponse) => void;

  constructor(
    private readonly addresses: ClientAddresses,
    private clock: Clock,
    private observers: RequestObservers,
    private readonly options: EdgeOptions = { httpsRequired: false },
  ) {
    const edge = this;
    this.#close = function onClose(): void {
      const request = this[REQUEST];
      if (request !== undefined) edge.closed(request, this.statusCode, !this.writableFinished);
    };
  }

  /** Joins the edge to the application's own clock, observers and gate, once these exist. */
  join(clock: Clock, observers: RequestObservers, gate: AddressGate): void {
    this.clock = clock;
    this.observers = observers;
    this.#gate = gate;
  }

  /** From now on every answer closes its connection, those of requests under way included. */
  drain(): void {
    this.#draining = true;
    for (const reply of this.open.replies) if (!reply.raw.headersSent) reply.header('connection', 'close');
  }

  /**
   * Opens the record of a request and puts on its reply what every reply carries.
   *
   * @returns why a request of this form is not served, or null.
   */
  begin(request: HttpRequest, reply: HttpReply): Refusal | null {
    const { raw } = request;
    const { headers } = raw;
    const socket: EdgeSocket = raw.socket;
    const peer = socket[PEER] ?? this.#meet(socket);
    const url = raw.url ?? '';
    const id = requestIdFor(headers['x-request-id']);
    const address = peer.trusted ? this.addresses.behind(peer.address, headers) : peer.address;

    request.record = new RequestRecord(
      id,
      raw.method ?? 'UNKNOWN',
      address,
      callerKindOf(headers['user-agent']),
      this.clock.now(),
    );
    request.openedAt = performance.now();
    peer.request = request;

    const response: EdgeResponse = reply.raw;
    response[REQUEST] = request;
    response.on('close', this.#close);
    if (response.socket === null) this.#watchPipelined(response, peer, socket);
    this.open.add(request, reply);

    reply.headers(url.startsWith('/v1') ? MACHINE_HEADERS : SECURITY_HEADERS);
    reply.header('x-request-id', id);
    if (this.#draining) reply.header('connection', 'close');
    return refusalOfForm(raw, url) ?? this.#refusalOfCaller(peer, address, request, reply);
  }

  /** What is refused whoever calls: an address that is blocked, and plain HTTP where that is not served. */
  #refusalOfCaller(peer: Peer, address: string, { raw }: HttpRequest, reply: HttpReply): Refusal | null {
    const refusal = this.#gate?.refusalOf(address) ?? null;
    if (refusal === null && !this.options.httpsRequired) return null;
    if (HEALTH_PATH.test(raw.url ?? '')) return null;
    if (refusal !== null) return refusal;
    if (peer.trusted && this.addresses.isSecure(peer.address, raw.headers)) {
      reply.header('strict-transport-security', STRICT_TRANSPORT_SECURITY);
      return null;
    }
    reply.removeHeader('strict-transport-security');
    return PLAIN_HTTP;
  }

  /** Completes a request's record and tells the observers; every call after the first does nothing. */
  closed(request: HttpRequest, status: number, aborted: boolean): void {
    if (!this.open.remove(request)) return;
    const { record } = request;
    const socket: EdgeSocket = request.raw.socket;
    const peer = socket[PEER] ?? this.#meet(socket);
    if (peer.request === request) peer.request = null;
    const sent = socket.bytesWritten || peer.sent;
    record.status = status;
    record.aborted = aborted;
    record.latencyMs = performance.now() - request.openedAt;
    record.bytesOut = sent - peer.sent;
    peer.sent = sent;
    record.route = request.is404 ? null : (request.routeOptions.url ?? null);
    this.observers.closed(record);
  }

  /** The request being answered on a connection, if there is one. */
  current(socket: EdgeSocket): HttpRequest | undefined {
    return socket[PEER]?.request ?? undefined;
  }

  /** The record of something on a connection that never became a request, closed at once. */
  recordUnreadable(socket: EdgeSocket, refusal: Refusal): RequestRecord {
    const peer = socket[PEER] ?? this.#meet(socket);
    const record = new RequestRecord(newRequestId(), 'UNKNOWN', peer.address, 'none', this.clock.now());
    record.status = refusal.status;
    record.errorCode = refusal.code;
    this.observers.closed(record);
    return record;
  }

  #meet(socket: EdgeSocket): Peer {
    const address = this.addresses.peer(socket.remoteAddress);
    const peer: Peer = { address, trusted: this.addresses.isTrusted(address), sent: 0, request: null, pipelined: null };
    socket[PEER] = peer;
    return peer;
  }

  /** A pipelined response that still waits for its turn is never told when its connection closes. */
  #watchPipelined(response: EdgeResponse, peer: Peer, socket: Socket): void {
    if (peer.pipelined === null) {
      const pipelined = new Set<EdgeResponse>();
      peer.pipelined = pipelined;
      socket.once('close', () => {
        for (const each of pipelined) this.#close.call(each);
      });
    }
    const { pipelined } = peer;
    pipelined.add(response);
    response.once('close', () => pipelined.delete(response));
  }
}

/** The bounds every request is held to before anything else looks at it. */
function refusalOfForm(raw: IncomingMessage, url: string): Refusal | null {
  if (raw.rawHeaders.length > MAX_HEADER_LINES * 2) return HEADERS_TOO_LARGE;
  if (url.length > MAX_URL_LENGTH) return URI_TOO_LONG;
  return isUnambiguous(raw) ? null : MALFORMED_REQUEST;
}

/**
 * False for what a proxy in front could read as another request than we do: another number of hosts than RFC 9112
 * (3.2) allows, a transfer coding besides `chunked` or before HTTP/1.1 (6.1), and HTTP/0.9, which has no headers.
 */
function isUnambiguous({ headers, httpVersion, rawHeaders }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && (httpVersion !== '1.1' || coding.toLowerCase() !== 'chunked')) return false;
  if (httpVersion === '0.9') return false;
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0');
}
