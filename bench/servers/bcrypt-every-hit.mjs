// The requirement read plainly: on a cache hit the `hashed_secret` in Redis verifies the secret, by bcrypt, each time.
import bcrypt from 'bcryptjs';
import { fastify } from 'fastify';
import { Redis } from 'ioredis';

const TTL_SECONDS = 300;
const redis = new Redis(process.env.REDIS_URL);
await redis.set('bench:client', await bcrypt.hash('a-secret-of-thirty-characters!', 10));

const app = fastify({ logger: false });
app.get('/ready', async () => ({ ready: true }));
app.get('/whoami', async (request, reply) => {
  const [id, secret] = (request.headers.authorization ?? '').slice('Bearer '.length).split('_');
  const hash = await redis.getex(`bench:${id}`, 'EX', TTL_SECONDS);
  if (hash === null || !(await bcrypt.compare(secret ?? '', hash))) return reply.code(401).send();
  return { method: 'client', client_id: id };
});
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
