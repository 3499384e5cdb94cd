import { Module } from '@nestjs/common';
import { RedisService } from './redis.service.js';

/** The process's one Redis client, for the rooms that import this. */
@Module({ providers: [RedisService], exports: [RedisService] })
export class RedisModule {}
