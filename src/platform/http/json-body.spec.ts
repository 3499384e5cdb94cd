import { Type } from 'class-transformer';
import { IsArray, IsIn, IsInt, IsOptional, IsString, MaxLength, ValidateNested } from 'class-validator';
import { InvalidRequestError } from '../../kernel/app-error.js';
import { validateBody } from './json-body.js';

class Part {
  @IsInt()
  size!: number;
}

class Thing {
  @IsString()
  @MaxLength(5)
  name!: string;

  @IsOptional()
  @IsIn(['a', 'b'])
  kind: string = 'a';

  @IsOptional()
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Part)
  parts?: Part[];
}

const errorsOf = async (document: unknown) => {
  const failure = await validateBody(document, Thing).then(
    () => null,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(InvalidRequestError);
  return (failure as InvalidRequestError).errors;
};

describe('validateBody', () => {
  it('makes the DTO, with its defaults', async () => {
    const thing = await validateBody({ name: 'x', parts: [{ size: 1 }] }, Thing);
    expect(thing).toBeInstanceOf(Thing);
    expect(thing.parts?.[0]).toBeInstanceOf(Part);
    expect(thing).toEqual({ name: 'x', kind: 'a', parts: [{ size: 1 }] });
  });

  it('names every wrong field and repeats no value', async () => {
    const errors = await errorsOf({ name: 'too long a name', kind: 'secret-value', parts: [{ size: 'x' }] });
    expect(errors).toEqual([
      { location: 'body.name', message: 'must be shorter than or equal to 5 characters' },
      { location: 'body.kind', message: 'must be one of the following values: a, b' },
      { location: 'body.parts.0.size', message: 'must be an integer number' },
    ]);
    expect(JSON.stringify(errors)).not.toContain('secret-value');
  });

  it.each(['constructor', 'toString', 'hasOwnProperty', '__defineGetter__'])(
    'refuses %s, which every object inherits, wherever it is',
    async (name) => {
      for (const value of [1, 'x', {}, { name: 'x' }]) {
        const [inner, message] = [{ [name]: value }, 'is not a field of this request'];
        expect(await errorsOf({ name: 'x', ...inner })).toEqual([{ location: `body.${name}`, message }]);
        expect(await errorsOf({ name: inner })).toEqual([{ location: `body.name.${name}`, message }]);
        expect(await errorsOf({ name: 'x', parts: [{ size: 1 }, { size: [inner] }] })).toEqual([
          { location: `body.parts.1.size.0.${name}`, message },
        ]);
      }
    },
  );

  it('refuses a field the DTO does not have', async () => {
    expect(await errorsOf({ name: 'x', is_admin: true })).toEqual([
      { location: 'body.is_admin', message: 'is not a field of this request' },
    ]);
  });

  it('cuts a very long unknown name', async () => {
    const [error] = (await errorsOf({ name: 'x', ['n'.repeat(500)]: 1 })) ?? [];
    expect(error?.location).toBe(`body.${'n'.repeat(64)}`);
  });

  it.each([null, [], 'x', 1, true])('refuses %p, which is no object', async (document) => {
    expect(await errorsOf(document)).toEqual([{ location: 'body', message: 'must be a JSON object' }]);
  });

  it('names a missing field', async () => {
    const [error] = (await errorsOf({})) ?? [];
    expect(error?.location).toBe('body.name');
  });
});
