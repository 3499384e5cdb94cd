// Spreads connections over replicas in turn, byte for byte: a balancer that knows nothing of HTTP and costs next to nothing.
import { connect, createServer } from 'node:net';

const targets = process.env.TARGETS.split(',').map(Number);
let next = 0;

createServer({ noDelay: true }, (caller) => {
  const replica = connect({ port: targets[next], host: '127.0.0.1', noDelay: true });
  next = (next + 1) % targets.length;
  caller.pipe(replica).pipe(caller);
  caller.on('error', () => replica.destroy());
  replica.on('error', () => caller.destroy());
}).listen(Number(process.env.PORT), '127.0.0.1');
