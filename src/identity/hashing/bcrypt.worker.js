import bcrypt from 'bcryptjs';

/** One job of the pool: `{ secret, cost }` makes a hash, `{ secret, hash }` answers whether they match. */
const work = (job) =>
  job.hash === undefined ? bcrypt.hashSync(job.secret, job.cost) : bcrypt.compareSync(job.secret, job.hash);

export { work };
