import { plainToInstance } from 'class-transformer';
import { type ValidationError, validate } from 'class-validator';
import { type FieldError, InvalidRequestError, UnsupportedMediaTypeError } from '../../kernel/app-error.js';
import type { HttpRequest } from './http-request.js';
import { parseJsonDocument } from './json-document.js';
import { readRawBody } from './raw-body.js';

/** What a management route reads at most, unless it says less. */
export const JSON_BODY_LIMIT_BYTES = 102_400;

const JSON_MEDIA_TYPE = /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i;
const MAX_NAME = 64;
const UNKNOWN_FIELD = 'is not a field of this request';

/** A class whose properties carry class-validator's decorators; made without arguments. */
export type DtoClass<T extends object> = new () => T;

/**
 * Reads and validates the JSON body of a management request.
 *
 * @param limitBytes what the route reads at most.
 * @throws UnsupportedMediaTypeError when it is not announced as plain `application/json`.
 * @throws PayloadTooLargeError beyond that, before reading where the size is announced.
 * @throws MalformedBodyError when it is not strict JSON.
 * @throws InvalidRequestError naming each unknown or wrong field as `body.<name>`.
 */
export async function readJsonBody<T extends object>(
  request: HttpRequest,
  dto: DtoClass<T>,
  limitBytes: number = JSON_BODY_LIMIT_BYTES,
): Promise<T> {
  const { headers } = request.raw;
  const type = headers['content-type'];
  if (type === undefined && headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0)
    throw missingBody();
  if (type === undefined || !JSON_MEDIA_TYPE.test(type) || headers['content-encoding'] !== undefined)
    throw new UnsupportedMediaTypeError('Send the body as "Content-Type: application/json", without an encoding.');
  const bytes = await readRawBody(request, limitBytes);
  if (bytes.length === 0) throw missingBody();
  return validateBody(parseJsonDocument(bytes), dto);
}

/** Makes the validated DTO of a parsed document. @throws InvalidRequestError naming each wrong field. */
export async function validateBody<T extends object>(document: unknown, dto: DtoClass<T>): Promise<T> {
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new InvalidRequestError([{ location: 'body', message: 'must be a JSON object' }]);
  const inherited = Object.entries(document).flatMap(([name, value]) => inheritedNames(value, within('body', name)));
  if (inherited.length > 0) throw new InvalidRequestError(inherited);
  const instance = plainToInstance(dto, document);
  const problems = await validate(instance, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true });
  const errors = [...droppedFields(document, instance), ...problems.flatMap((problem) => fieldErrors(problem, 'body'))];
  if (errors.length > 0) throw new InvalidRequestError(errors);
  return instance;
}

/** class-transformer leaves out names that every object inherits (`toString`), before the validator could refuse them. */
function droppedFields(document: object, instance: object): FieldError[] {
  return Object.keys(document)
    .filter((name) => !Object.hasOwn(instance, name))
    .map((name) => ({ location: within('body', name), message: UNKNOWN_FIELD }));
}

/** Further down it leaves them out as well, or takes `constructor` for what the object is made with. */
function inheritedNames(value: unknown, location: string): FieldError[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name in Object.prototype
      ? [{ location: within(location, name), message: UNKNOWN_FIELD }]
      : inheritedNames(inner, within(location, name)),
  );
}

function within(location: string, name: string): string {
  return `${location}.${name.slice(0, MAX_NAME)}`;
}

function missingBody(): InvalidRequestError {
  return new InvalidRequestError([{ location: 'body', message: 'is missing; send a JSON object' }]);
}

function fieldErrors(problem: ValidationError, parent: string): FieldError[] {
  const location = within(parent, problem.property);
  const own = Object.entries(problem.constraints ?? {}).map(([rule, message]) => ({
    location,
    message: rule === 'whitelistValidation' ? UNKNOWN_FIELD : withoutName(message, problem.property),
  }));
  return [...own, ...(problem.children ?? []).flatMap((child) => fieldErrors(child, location))];
}

/** class-validator begins its messages with the property's name, which the location already says. */
function withoutName(message: string, property: string): string {
  return message.startsWith(`${property} `) ? message.slice(property.length + 1) : message;
}
