export default async function globalTeardown(): Promise<void> {
  const servers = globalThis.testServers;
  globalThis.testServers = undefined;
  await Promise.all([servers?.postgres.stop(), servers?.redis.stop()]);
}
