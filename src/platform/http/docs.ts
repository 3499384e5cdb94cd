import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { describeApi } from './openapi.js';
import { DOCS_CONTENT_SECURITY_POLICY } from './security-headers.js';

const DOCS_PATH = 'docs';

/**
 * Serves `/openapi.json` and, from this server's own files, Swagger UI at `/docs`. Both are public. The document is
 * made on the first request for it.
 */
export function serveDocs(app: NestFastifyApplication): void {
  let document: OpenAPIObject | undefined;
  const describe = () => {
    document ??= describeApi(app);
    return document;
  };
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (request, reply, done) => {
      if (request.url.startsWith(`/${DOCS_PATH}`))
        reply.header('content-security-policy', DOCS_CONTENT_SECURITY_POLICY);
      done();
    });
  SwaggerModule.setup(DOCS_PATH, app, describe, {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'core-nest API',
    swaggerOptions: { persistAuthorization: false },
  });
}
