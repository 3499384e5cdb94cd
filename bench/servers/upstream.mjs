// A provider that costs next to nothing: it frames HTTP by hand and answers every chat completion alike. The body's model
// says how: `bench` at once, `bench-<n>` with n events as fast as they go, `bench-<n>-<ms>` with one event every so many ms.
import { createServer } from 'node:net';

const TICK_MS = 1;
const ANSWER = JSON.stringify({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1_760_000_000,
  model: 'bench',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'word '.repeat(60).trim() },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 42, completion_tokens: 60, total_tokens: 102 },
});
const HEAD = 'HTTP/1.1 200 OK\r\nx-request-id: req_bench\r\nopenai-processing-ms: 1\r\n';
const WHOLE = Buffer.from(
  `${HEAD}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(ANSWER)}\r\n\r\n${ANSWER}`,
);
const STREAM = Buffer.from(`${HEAD}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n`);
const EVENT = chunk(
  `data: ${JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 1_760_000_000,
    model: 'bench',
    choices: [{ index: 0, delta: { content: 'word ' }, logprobs: null, finish_reason: null }],
  })}\n\n`,
);
const LAST = Buffer.concat([
  chunk(
    `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [], usage: { prompt_tokens: 42, completion_tokens: 20, total_tokens: 62 } })}\n\ndata: [DONE]\n\n`,
  ),
  Buffer.from('0\r\n\r\n'),
]);

/** Events written since start; `GET /events` tells. */
let events = 0;
/** Streams with a pace, and when each is due. */
const paced = new Set();
let tick = 0;

setInterval(() => {
  tick += TICK_MS;
  for (const stream of paced) if (tick >= stream.due) advance(stream);
}, TICK_MS);

createServer({ noDelay: true }, (socket) => {
  let pending = null;
  socket.on('error', () => undefined);
  socket.on('data', (data) => {
    let bytes = pending === null ? data : Buffer.concat([pending, data]);
    for (;;) {
      const end = bytes.indexOf('\r\n\r\n') + 4;
      if (end < 4) break;
      const head = bytes.latin1Slice(0, end);
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (bytes.length < end + length) break;
      answer(socket, head, bytes.subarray(end, end + length));
      bytes = bytes.subarray(end + length);
    }
    pending = bytes.length === 0 ? null : bytes;
  });
}).listen(Number(process.env.PORT), '127.0.0.1');

function answer(socket, head, body) {
  if (head.startsWith('GET')) {
    const count = String(events);
    socket.write(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${count.length}\r\n\r\n${count}`);
    return;
  }
  const [, count, pace] = /"model":"(?:[a-z]+\/)?bench-(\d+)(?:-(\d+))?"/.exec(body.latin1Slice()) ?? [];
  if (count === undefined) {
    socket.write(WHOLE);
    return;
  }
  socket.write(STREAM);
  const stream = { socket, left: Number(count), pace: Number(pace ?? 0), due: 0 };
  if (stream.pace === 0) {
    setImmediate(advance, stream);
    return;
  }
  stream.due = tick + Math.ceil(Math.random() * stream.pace);
  paced.add(stream);
}

function advance(stream) {
  const { socket, pace } = stream;
  if (socket.destroyed) {
    paced.delete(stream);
    return;
  }
  if (stream.left === 0) {
    paced.delete(stream);
    socket.write(LAST);
    return;
  }
  stream.left -= 1;
  events += 1;
  socket.write(EVENT);
  if (pace === 0) setImmediate(advance, stream);
  else stream.due += pace;
}

function chunk(text) {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
}
