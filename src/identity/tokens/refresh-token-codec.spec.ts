import { buildSettings } from '../../../test/support/build-settings.js';
import { Secret } from '../../kernel/secret.js';
import { RefreshTokenCodec } from './refresh-token-codec.js';

const codec = new RefreshTokenCodec(buildSettings());

describe('a refresh token', () => {
  it('is a prefix, 43 digits and a checksum, and another one each time', () => {
    const tokens = Array.from({ length: 200 }, () => codec.random().reveal());
    for (const token of tokens) {
      expect(token).toMatch(/^cnr_[0-9A-Za-z]{49}$/);
      expect(codec.isToken(token)).toBe(true);
    }
    expect(new Set(tokens).size).toBe(200);
  });

  it('is none when it was cut, mistyped or dressed up', () => {
    const token = codec.random().reveal();
    const last = token.endsWith('0') ? '1' : '0';
    for (const text of [
      token.slice(0, -1),
      `${token}0`,
      ` ${token}`,
      token.slice(0, -1) + last,
      token.toUpperCase(),
      '',
    ])
      expect(codec.isToken(text)).toBe(false);
  });

  it('is exchanged for the same one each time, and for no other under another master key', () => {
    const token = codec.random();
    const successor = codec.successorOf(token).reveal();
    expect(codec.isToken(successor)).toBe(true);
    expect(successor).not.toBe(token.reveal());
    expect(codec.successorOf(new Secret(token.reveal())).reveal()).toBe(successor);
    const other = new RefreshTokenCodec(buildSettings({ MASTER_KEY: 'another master key that tests know' }));
    expect(other.successorOf(token).reveal()).not.toBe(successor);
  });
});

describe('its holder', () => {
  const holder = { address: '192.0.2.1', userAgent: 'curl/8' };

  it('is known again by address and user agent, and by nothing that could be read', () => {
    const digest = codec.holderOf(holder);
    expect(codec.holderOf({ ...holder })).toBe(digest);
    expect(digest).toMatch(/^[\w-]{43}$/);
    expect(codec.holderOf({ ...holder, address: '192.0.2.2' })).not.toBe(digest);
    expect(codec.holderOf({ ...holder, userAgent: 'curl/9' })).not.toBe(digest);
    expect(codec.holderOf({ ...holder, userAgent: null })).not.toBe(digest);
    expect(codec.holderOf({ ...holder, userAgent: 'null' })).not.toBe(codec.holderOf({ ...holder, userAgent: null }));
  });

  it('is the same all over one network of IPv6', () => {
    const at = (address: string) => codec.holderOf({ ...holder, address });
    expect(at('2001:db8::1')).toBe(at('2001:db8::ffff'));
    expect(at('2001:db8::1')).not.toBe(at('2001:db8:0:1::1'));
  });
});
