import type { AddressInfo } from 'node:net';
import { Controller, Delete, Get, type INestApplication, Post, Req, Res } from '@nestjs/common';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { IsInt, IsOptional, IsString, MaxLength } from 'class-validator';
import { MissingCredentialsError, RateLimitedError } from '../../src/kernel/app-error.js';
import { Public, Require } from '../../src/kernel/handler-marks.js';
import type { RequestRecord } from '../../src/kernel/request-record.js';
import { ConfigModule } from '../../src/platform/config/config.module.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { HealthModule } from '../../src/platform/health/health.module.js';
import { EdgeAdapter } from '../../src/platform/http/edge-adapter.js';
import { HttpModule } from '../../src/platform/http/http.module.js';
import { APP_OPTIONS, setUpApp } from '../../src/platform/http/http-app.js';
import type { HttpReply, HttpRequest } from '../../src/platform/http/http-request.js';
import { JsonBody } from '../../src/platform/http/json-body.decorator.js';
import { readRawBody } from '../../src/platform/http/raw-body.js';
import { RequestObservers } from '../../src/platform/http/request-observer.js';
import { writeError } from '../../src/platform/http/write-error.js';
import { buildSettings } from './build-settings.js';

/** What the echo route reads at most. */
export const RAW_LIMIT_BYTES = 200_000;

class ThingDto {
  @IsString()
  @MaxLength(20)
  name!: string;

  @IsOptional()
  @IsInt()
  size?: number;
}

/** Routes that do what the edge has to cope with. */
@Controller()
export class EdgeProbe {
  @Public()
  @Get('api/v1/who')
  who(@Req() request: HttpRequest) {
    const { address, requestId, callerKind } = request.record;
    return { address, requestId, callerKind, traceparent: request.traceparent };
  }

  @Require('clients:write')
  @Post(['api/v1/things', 'api/v1/objects'])
  make(@JsonBody(ThingDto) body: ThingDto) {
    return body;
  }

  @Post('api/v1/refused')
  refused(): never {
    throw new MissingCredentialsError();
  }

  @Get('v1/limited')
  limited(): never {
    throw new RateLimitedError('Too many requests.', 7);
  }

  @Get('v1/broken')
  broken(): never {
    throw new TypeError('cannot read secret-in-message');
  }

  @Get('api/v1/database-away')
  databaseAway(): never {
    throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  }

  @Post('v1/echo')
  async echo(@Req() request: HttpRequest, @Res() reply: HttpReply) {
    const body = await readRawBody(request, RAW_LIMIT_BYTES);
    reply.type('application/octet-stream').send(body);
  }

  @Get('v1/stream')
  stream(@Res() reply: HttpReply) {
    reply.hijack();
    reply.raw.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), 'content-type': 'text/plain' });
    reply.raw.write('first\n');
  }

  @Get('v1/hijacked-error')
  hijackedError(@Req() request: HttpRequest, @Res() reply: HttpReply) {
    reply.hijack();
    writeError(request, reply, new RateLimitedError('Too many requests.', 7));
  }

  @Delete('api/v1/slow')
  async slow() {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return { slow: true };
  }
}

export interface EdgeApp {
  readonly app: NestFastifyApplication;
  readonly port: number;
  readonly records: RequestRecord[];
  close(): Promise<void>;
}

/** A listening server of the edge, health and the probe routes; no guards, no PostgreSQL, no Redis. */
export async function startEdgeApp(overrides: Partial<Record<keyof Settings, string>> = {}): Promise<EdgeApp> {
  const settings = buildSettings(overrides);
  const module = await Test.createTestingModule({
    imports: [ConfigModule.for(settings), HttpModule, HealthModule],
    controllers: [EdgeProbe],
  }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(
    new EdgeAdapter(settings),
    APP_OPTIONS,
  ) as NestFastifyApplication & INestApplication;
  setUpApp(app);
  const records: RequestRecord[] = [];
  app.get(RequestObservers, { strict: false }).add({ onRecordClosed: (record) => records.push(record) });
  await app.listen(0, '127.0.0.1');
  return {
    app,
    port: (app.getHttpServer().address() as AddressInfo).port,
    records,
    close: async () => {
      app.getHttpServer().closeAllConnections();
      await app.close();
    },
  };
}
