import type { InvalidRequestError } from '../../kernel/app-error.js';
import { Secret } from '../../kernel/secret.js';
import type { Settings } from '../../platform/config/settings.js';
import { ownWords, type PasswordOwner, PasswordPolicy } from './password-policy.js';
import type { PasswordStrength, PasswordStrengthService } from './password-strength.service.js';

const ADA: PasswordOwner = { email: 'ada.lovelace@example.com', name: 'Ada Müller', isAdministrator: false };

/** A policy whose estimate of every password is the one given. */
function buildPolicy(strength: Partial<PasswordStrength> = {}, composition: 'on' | 'off' = 'off') {
  const of = jest.fn(async () => ({ leaked: false, score: 4, ...strength }));
  const policy = new PasswordPolicy(
    { of } as unknown as PasswordStrengthService,
    { PASSWORD_COMPOSITION: composition } as Settings,
  );
  const problemOf = (text: string, owner: PasswordOwner = ADA) =>
    policy.assertAcceptable(new Secret(text), owner, 'body.password').then(
      () => null,
      (error: InvalidRequestError) => error.errors?.[0]?.message ?? null,
    );
  return { problemOf, of };
}

describe('the length of a password', () => {
  it.each([
    ['x'.repeat(11), 'must have at least 12 characters'],
    ['x'.repeat(12), null],
    ['🔑'.repeat(11), 'must have at least 12 characters'],
    ['🔑'.repeat(12), null],
    // Composed, it is one character each.
    ['é'.normalize('NFD').repeat(6), 'must have at least 12 characters'],
    ['x'.repeat(128), null],
    ['x'.repeat(129), 'must be text of at most 128 characters'],
    ['\ud83d'.repeat(12), 'must be text of at most 128 characters'],
    [' '.repeat(12), null],
    ['\u0000'.repeat(12), null],
  ])('%j', async (text, problem) => {
    expect(await buildPolicy().problemOf(text)).toBe(problem);
  });

  it('is seen of a megabyte without reading it', async () => {
    expect(await buildPolicy().problemOf('x'.repeat(1_000_000))).toBe('must be text of at most 128 characters');
  });

  it('is 15 for an administrator', async () => {
    const { problemOf } = buildPolicy();
    expect(await problemOf('x'.repeat(14), { ...ADA, isAdministrator: true })).toBe(
      'must have at least 15 characters, because you administer everything',
    );
    expect(await problemOf('x'.repeat(15), { ...ADA, isAdministrator: true })).toBeNull();
  });

  it('is looked at before anything that takes time', async () => {
    const { problemOf, of } = buildPolicy();
    await problemOf('short');
    await problemOf('x'.repeat(129));
    expect(of).not.toHaveBeenCalled();
  });
});

describe('composition', () => {
  const PROBLEM = 'must hold an upper and a lower case letter, a digit and another character';

  it('is nobody’s business by default', async () => {
    expect(await buildPolicy().problemOf('aaaaaaaaaaaa')).toBeNull();
  });

  it.each([
    ['all lower case 1!', PROBLEM],
    ['ALL UPPER CASE 1!', PROBLEM],
    ['No Digit At All!', PROBLEM],
    ['NoOtherCharacter1', PROBLEM],
    ['All of them 1!', null],
    ['Все вместе ٣!', null],
  ])('where it is demanded: %j', async (text, problem) => {
    expect(await buildPolicy({}, 'on').problemOf(text)).toBe(problem);
  });
});

describe('what is known of its user', () => {
  it('is name, address, their parts, and the house', () => {
    expect(ownWords(ADA)).toEqual([
      'ada.lovelace@example.com',
      'ada müller',
      'core-nest',
      'lovelace',
      'corenest',
      'example',
      'müller',
      'ada',
      'com',
    ]);
    expect(ownWords({ email: 'a@b.co', name: 'Li' })).toEqual(['core-nest', 'corenest', 'a@b.co']);
  });

  it.each([
    ['Ada-Lovelace-2026', true],
    ['lovelace-ada-ada-1', true],
    ['ADA.LOVELACE@EXAMPLE.COM', true],
    ['müllermüllermüller', true],
    ['Ａｄａ＋Ｌｏｖｅｌａｃｅ', true],
    ['core-nest core-nest', true],
    ['ada likes 7 kettles', false],
    ['nothing of the kind', false],
  ])('%j is made of it: %s', async (text, isRefused) => {
    const problem = await buildPolicy().problemOf(text);
    expect(problem).toBe(
      isRefused ? 'must not be made of your name, your e-mail address or the name of this service' : null,
    );
  });
});

describe('what guessers know', () => {
  it('is refused, and handed the words of the user', async () => {
    expect(await buildPolicy({ leaked: true }).problemOf('x'.repeat(12))).toContain('list of common and breached');
    for (const score of [0, 1, 2])
      expect(await buildPolicy({ score }).problemOf('x'.repeat(12))).toContain('too easily guessed');
    const { problemOf, of } = buildPolicy({ score: 3 });
    expect(await problemOf('x'.repeat(12))).toBeNull();
    expect(of).toHaveBeenCalledWith(expect.any(Secret), ownWords(ADA));
  });

  it('is never repeated', async () => {
    for (const strength of [{ leaked: true }, { score: 0 }])
      expect(await buildPolicy(strength).problemOf('canary-canary')).not.toContain('canary');
  });
});
