import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RequestRecord } from '../../kernel/request-record.js';
import type { LocalAnswer } from './providers/provider.js';
import type { Downstream } from './relay.js';

const EVENTS_PER_TURN = 64;

/**
 * Writes the answer of a provider inside this process: whole, or event by event, no faster than the client reads and
 * without holding up other requests. Resolves when it is written, or the client has left.
 */
export async function writeLocalAnswer(answer: LocalAnswer, record: RequestRecord, reply: Downstream): Promise<void> {
  const { raw } = reply;
  record.inputTokens = answer.usage.inputTokens;
  record.outputTokens = answer.usage.outputTokens;
  const headers = { ...reply.getHeaders(), 'content-type': answer.contentType } as OutgoingHttpHeaders;
  reply.hijack();
  if (raw.destroyed) return;
  if (typeof answer.body === 'string') {
    raw.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(answer.body) });
    raw.end(answer.body);
    return;
  }
  raw.writeHead(200, headers);
  let written = 0;
  for (const event of answer.body) {
    const roomLeft = raw.write(event);
    written += 1;
    if (!roomLeft) await roomOrClose(raw);
    // Also where there was no room: a socket that takes all at once says so within the same turn.
    if (written % EVENTS_PER_TURN === 0) await nextTurn();
    if (raw.destroyed) return;
  }
  raw.end();
}

function roomOrClose(raw: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      raw.off('drain', settle).off('close', settle);
      resolve();
    };
    raw.once('drain', settle).once('close', settle);
  });
}
