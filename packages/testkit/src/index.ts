export { freePort } from './port.ts'
export { startRedis, type TestRedis } from './redis.ts'
