import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { HttpReply, HttpRequest } from './http-request.js';
import { writeError } from './write-error.js';

/** The one exception filter: whatever was thrown, anywhere, unknown paths included, becomes an answer here. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    writeError(host.getArgByIndex<HttpRequest>(0), host.getArgByIndex<HttpReply>(1), error);
  }
}
