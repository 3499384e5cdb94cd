import { Module } from '@nestjs/common';
import { SecretHasher } from './secret-hasher.service.js';

/** One pool of worker threads for every bcrypt of the process. */
@Module({ providers: [SecretHasher], exports: [SecretHasher] })
export class HashingModule {}
