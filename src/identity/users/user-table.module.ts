import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { UserEntity } from './user.entity.js';

/** The table of users alone: for processes that hold rows which point at it, and nothing else of users. */
@Module({ imports: [TypeOrmModule.forFeature([UserEntity])] })
export class UserTableModule {}
