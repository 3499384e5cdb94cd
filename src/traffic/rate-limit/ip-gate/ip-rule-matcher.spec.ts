import { BlockList } from 'node:net';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { IpRuleMatcher, type MatchedRule } from './ip-rule-matcher.js';

const NOW = Date.UTC(2026, 0, 1);
let made = 0;

function rule(cidr: string, action: 'allow' | 'block' = 'block', overrides: Partial<MatchedRule> = {}): MatchedRule {
  made += 1;
  return { id: `ipr_${made}`, cidr, action, source: 'manual', expiresAt: null, ...overrides };
}

function matcherOf(...rules: MatchedRule[]): IpRuleMatcher {
  const matcher = new IpRuleMatcher();
  matcher.replaceAll(rules);
  return matcher;
}

describe('IpRuleMatcher', () => {
  it('decides on nobody while there are no rules', () => {
    expect(new IpRuleMatcher().deciding('203.0.113.7', NOW)).toBeNull();
  });

  it('decides on the addresses of a range, of its family alone', () => {
    const matcher = matcherOf(rule('203.0.113.0/24'), rule('2001:db8::/32'));
    expect(matcher.deciding('203.0.113.255', NOW)?.cidr).toBe('203.0.113.0/24');
    expect(matcher.deciding('203.0.114.0', NOW)).toBeNull();
    expect(matcher.deciding('2001:db8::9', NOW)?.cidr).toBe('2001:db8::/32');
    expect(matcher.deciding('2001:db9::', NOW)).toBeNull();
    expect(matcherOf(rule('::/0')).deciding('203.0.113.7', NOW)).toBeNull();
  });

  it('lets the most specific rule decide, in either direction', () => {
    const matcher = matcherOf(rule('10.0.0.0/8'), rule('10.1.0.0/16', 'allow'), rule('10.1.1.1/32'));
    expect(matcher.deciding('10.2.0.1', NOW)?.action).toBe('block');
    expect(matcher.deciding('10.1.2.3', NOW)?.action).toBe('allow');
    expect(matcher.deciding('10.1.1.1', NOW)?.action).toBe('block');
  });

  it('lets the one that allows decide between two as specific', () => {
    expect(matcherOf(rule('10.0.0.0/8'), rule('10.0.0.0/8', 'allow')).deciding('10.0.0.1', NOW)?.action).toBe('allow');
    expect(matcherOf(rule('10.0.0.0/8', 'allow'), rule('10.0.0.0/8')).deciding('10.0.0.1', NOW)?.action).toBe('allow');
  });

  it('holds no automatic block against a rule that allows', () => {
    const automatic = rule('10.1.1.1/32', 'block', { source: 'automatic' });
    expect(matcherOf(automatic, rule('10.0.0.0/8', 'allow')).deciding('10.1.1.1', NOW)?.action).toBe('allow');
    expect(matcherOf(automatic, rule('10.0.0.0/8')).deciding('10.1.1.1', NOW)?.source).toBe('manual');
    expect(matcherOf(automatic).deciding('10.1.1.1', NOW)).toBe(automatic);
  });

  it('lets a rule decide until the millisecond it ends, and then the next one', () => {
    const matcher = matcherOf(rule('10.0.0.0/8', 'allow'), rule('10.1.1.1/32', 'block', { expiresAt: NOW }));
    expect(matcher.deciding('10.1.1.1', NOW - 1)?.action).toBe('block');
    expect(matcher.deciding('10.1.1.1', NOW)?.action).toBe('allow');
    expect(matcherOf(rule('10.1.1.1/32', 'block', { expiresAt: NOW })).deciding('10.1.1.1', NOW)).toBeNull();
  });

  it('forgets what it found when a rule comes, changes or goes', () => {
    const matcher = matcherOf(rule('192.0.2.0/24'));
    const block = rule('203.0.113.0/24');
    expect(matcher.deciding('203.0.113.7', NOW)).toBeNull();
    matcher.set(block);
    expect(matcher.deciding('203.0.113.7', NOW)?.action).toBe('block');
    matcher.set({ ...block, action: 'allow' });
    expect(matcher.deciding('203.0.113.7', NOW)?.action).toBe('allow');
    matcher.set({ ...block, cidr: '198.51.100.0/24' });
    expect(matcher.deciding('203.0.113.7', NOW)).toBeNull();
    matcher.set(block);
    matcher.set(rule('203.0.113.0/24', 'allow'));
    matcher.remove(block.id);
    matcher.remove('ipr_unknown');
    expect(matcher.deciding('203.0.113.7', NOW)?.action).toBe('allow');
    expect(matcher.size).toBe(2);
    matcher.replaceAll([block]);
    expect(matcher.rules()).toEqual([block]);
  });

  it('leaves out a range it cannot read', () => {
    expect(matcherOf(rule('203.0.113.7/24'), rule('nonsense')).size).toBe(0);
  });

  it('finds what BlockList finds, for any ranges and addresses', () => {
    const v4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }));
    const v6 = fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }));
    const network = fc.oneof(v4, v6).map(([address, bits]) => {
      const parsed = ipaddr.parse(address);
      const cidr = `${address}/${bits}`;
      const base = parsed instanceof ipaddr.IPv6 ? ipaddr.IPv6 : ipaddr.IPv4;
      return { text: base.networkAddressFromCIDR(cidr).toString(), bits, family: parsed.kind() };
    });
    fc.assert(
      fc.property(
        fc.array(network, { minLength: 1, maxLength: 30 }),
        fc.array(fc.oneof(fc.ipV4(), fc.ipV6())),
        (networks, others) => {
          // One each: a BlockList takes IPv4 for IPv6 as well.
          const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
          const plain = networks.filter(({ text }) => !ipaddr.parse(text).range().startsWith('ipv4Mapped'));
          for (const { text, bits, family } of plain) lists[family].addSubnet(text, bits, family);
          const matcher = matcherOf(...plain.map(({ text, bits }) => rule(`${text}/${bits}`)));
          for (const address of [...others, ...networks.map(({ text }) => text)]) {
            const parsed = ipaddr.parse(address);
            if (parsed.range() === 'ipv4Mapped') continue;
            const canonical = parsed instanceof ipaddr.IPv6 ? parsed.toRFC5952String() : address;
            expect(matcher.deciding(canonical, NOW) !== null).toBe(lists[parsed.kind()].check(address, parsed.kind()));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('stays bounded and right when more addresses come than it remembers', () => {
    const matcher = matcherOf(rule('10.0.0.0/16'));
    for (let i = 0; i < 25_000; i += 1) {
      const address = `10.${i >> 14}.${(i >> 7) & 127}.${i & 127}`;
      expect(matcher.deciding(address, NOW) !== null).toBe(i < 16_384);
    }
  });
});
