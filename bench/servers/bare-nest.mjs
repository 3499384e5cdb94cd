// The base of the REST ratios: Nest on Fastify as its documentation shows it, answering a small JSON object.
import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';

class SmallController {
  small() {
    return { method: 'client', client_id: 'cn_live_000000000000', tier: 'paid', scopes: ['llm:invoke'] };
  }
}
Get('small')(SmallController.prototype, 'small', Object.getOwnPropertyDescriptor(SmallController.prototype, 'small'));
Controller()(SmallController);

class BareModule {}
Module({ controllers: [SmallController] })(BareModule);

const app = await NestFactory.create(BareModule, new FastifyAdapter(), { logger: false });
app.enableShutdownHooks();
await app.listen(Number(process.env.PORT), '127.0.0.1');
