// The base of the chat ratios: the least that Fastify and undici need to pass a request on and its answer back. No
// authentication, limit or log; bytes in both directions, with back-pressure.
import { fastify } from 'fastify';
import { Pool } from 'undici';

const pool = new Pool(process.env.UPSTREAM, { connections: 256, pipelining: 1 });
const app = fastify({ logger: false });
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

app.get('/ready', async () => ({ ready: true }));
app.post('/v1/chat/completions', (request, reply) => {
  reply.hijack();
  const { raw } = reply;
  let upstream = null;
  raw.once('close', () => {
    if (!raw.writableFinished) upstream?.abort(new Error('The client left.'));
  });
  const headers = { 'content-type': 'application/json', authorization: 'Bearer sk-bench' };
  pool.dispatch(
    { method: 'POST', path: request.url, headers, body: request.body },
    {
      onRequestStart(controller) {
        upstream = controller;
      },
      onResponseStart(_controller, status, received) {
        const { connection, 'keep-alive': keepAlive, 'transfer-encoding': encoding, ...kept } = received;
        raw.writeHead(status, kept);
      },
      onResponseData(controller, chunk) {
        if (raw.write(chunk)) return;
        controller.pause();
        raw.once('drain', () => controller.resume());
      },
      onResponseEnd() {
        raw.end();
      },
      onResponseError() {
        raw.destroy();
      },
    },
  );
});
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
