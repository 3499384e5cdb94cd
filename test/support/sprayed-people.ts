import type { Canaries } from './canaries.js';
import { eventually } from './eventually.js';
import { tokenIn } from './mails.js';
import { SmtpServer } from './smtp-server.js';
import { noise } from './spray-cases.js';
import { type Line, type SprayedApp, startSprayedApp } from './sprayed-app.js';

export const OWNER = 'first@example.com';
const LIMITS = ['general', 'login', 'key_creation'].map((name) => `${name}=1000000/60`).join();

/** An answer with its body read. */
export interface Told {
  readonly status: number;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests are about
  readonly body: any;
}

/** People of a sprayed application: whatever they are given is a canary, and so is what is in every other place of a request. */
export class SprayedPeople {
  #last = 0;

  private constructor(
    readonly app: SprayedApp,
    readonly smtp: SmtpServer,
    readonly ownersPassword: string,
    private readonly canaries: Canaries,
  ) {}

  static async start(canaries: Canaries): Promise<SprayedPeople> {
    const smtp = await SmtpServer.start();
    const ownersPassword = canaries.plant('the password of the first administrator');
    const app = await startSprayedApp(canaries, {
      RATE_LIMITS: LIMITS,
      MAIL_URL: smtp.url,
      TRUSTED_PROXIES: '127.0.0.1',
      BOOTSTRAP_ADMIN_EMAIL: OWNER,
      BOOTSTRAP_ADMIN_PASSWORD: ownersPassword,
    });
    return new SprayedPeople(app, smtp, ownersPassword, canaries);
  }

  /** The key of a client that may do everything. */
  get admin(): Line {
    return ['X-API-Key', this.app.admin.apiKey];
  }

  freshEmail(): string {
    return `person${++this.#last}@example.com`;
  }

  /** A request from an address of its own, so that nobody is held up by what was wrong before. A text without { is a form. */
  async tell(target: string, body: unknown, lines: readonly Line[] = []): Promise<Told> {
    const number = ++this.#last;
    const taken = ['X-Forwarded-For', 'Forwarded', 'Origin', ...lines.map(([name]) => name)];
    const others = noise(this.canaries, target).filter(([name]) => !taken.includes(name));
    const all: Line[] = [...lines, ['X-Forwarded-For', `198.51.${number >> 8}.${number & 255}`], ...others];
    const isForm = typeof body === 'string' && !body.startsWith('{');
    if (body !== undefined)
      all.push(['Content-Type', isForm ? 'application/x-www-form-urlencoded' : 'application/json']);
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    const asked = target.includes('?') ? target : `${target}?token=${this.canaries.plant('?token=')}`;
    const answer = await this.app.ask(asked, all, text);
    const shown = answer?.body ?? '';
    return { status: answer?.status ?? 0, text: shown, body: shown.startsWith('{') ? JSON.parse(shown) : null };
  }

  post(path: string, body: unknown, lines?: readonly Line[]): Promise<Told> {
    return this.tell(`POST /api/v1/${path}`, body, lines);
  }

  /** An answer of one of these statuses that shows nobody's secrets. */
  async expectSilent(answer: Promise<Told>, ...statuses: number[]): Promise<Told> {
    const told = await answer;
    expect([told.text, statuses.includes(told.status)]).toEqual([told.text, true]);
    expect(this.canaries.in(told.text)).toEqual([]);
    return told;
  }

  /** What shows secrets is an answer that gives tokens; whatever else it is, it shows none. */
  async expectNothingTold(answer: Promise<Told>): Promise<void> {
    const { status, text, body } = await answer;
    if (body?.refresh_token === undefined) {
      expect(this.canaries.in(text)).toEqual([]);
      expect(text).not.toMatch(/\b(?:SELECT|INSERT|UPDATE|relation|ECONN|ott_|eyJ)/);
    } else {
      expect(status).toBe(200);
      this.keep('an access token', body.access_token);
      this.keep('a refresh token', body.refresh_token);
    }
  }

  /** From now on what makes a token worth something is looked for: of a JWT its signature. */
  keep(what: string, token: string): string {
    this.canaries.add(what, token.startsWith('eyJ') ? (token.split('.')[2] ?? token) : token.replace(/^[a-z]+_/, ''));
    return token;
  }

  async signIn(email: string, password: string): Promise<{ access: string; refresh: string }> {
    const { status, body } = await this.post('auth/login', { email, password });
    expect(status).toBe(200);
    return {
      access: this.keep('an access token', body.access_token),
      refresh: this.keep('a refresh token', body.refresh_token),
    };
  }

  /** The token in the next mail to an address. */
  async tokenTo(address: string): Promise<string> {
    const position = () => this.smtp.taken.findIndex(({ to }) => to.some((each) => each.includes(`<${address}>`)));
    await eventually(() => position() !== -1, 10_000);
    const [mail] = this.smtp.taken.splice(position(), 1);
    return this.keep('the token of a mail', tokenIn(mail ?? { from: '', to: [], source: '' }));
  }

  /** Somebody who was invited, and accepted. */
  async join(): Promise<{ email: string; password: string }> {
    const email = this.freshEmail();
    const password = this.canaries.plant('a password');
    await this.expectSilent(this.post('users', { email }, [this.admin]), 201);
    const token = await this.tokenTo(email);
    await this.expectSilent(this.post('auth/accept-invite', { token, password: 'canary' }), 400);
    await this.expectSilent(this.post('auth/accept-invite', { token, password }), 200);
    await this.expectSilent(this.post('auth/accept-invite', { token, password }), 400);
    return { email, password };
  }

  async stop(): Promise<void> {
    await this.app.stop();
    await this.smtp.stop();
  }
}

export const bearer = (token: string): Line => ['Authorization', `Bearer ${token}`];
