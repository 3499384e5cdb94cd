import { Injectable } from '@nestjs/common';
import ipaddr from 'ipaddr.js';
import { Settings } from '../../../platform/config/settings.js';
import { listItems } from '../../../platform/config/settings.validators.js';
import { addressKey } from '../../../platform/http/address-key.js';
import { logError } from '../../../platform/logging/log-error.js';
import { AuditService, SYSTEM_ORIGIN } from '../../../records/audit/audit.service.js';
import { ActiveIpRules } from './active-ip-rules.service.js';
import { AutomaticBlocksRepository } from './automatic-blocks.repository.js';
import { type IpRange, overlaps, readIpRange } from './ip-range.js';
import type { Pattern } from './local-offences.js';

const LOOPBACK = ['127.0.0.0/8', '::1'];
/** Where a proxy of one's own stands that was not named in `TRUSTED_PROXIES`: to block it is to block everybody. */
const PRIVATE_RANGES = ['private', 'uniqueLocal', 'linkLocal', 'carrierGradeNat'];

/**
 * Blocks addresses that guess: IPv4 by address, IPv6 by /64; for a minute, and twice as long each time it goes on within
 * a day of the last block, a day at most. Such a block is a row like any other rule: it can be seen, and lifted, which
 * also makes it forgotten how often there was one.
 *
 * Never blocked are addresses that a rule allows, trusted proxies, loopback, and, where no `TRUSTED_PROXIES` are named,
 * private addresses.
 */
@Injectable()
export class AutomaticBlocks {
  /** Counted since start. */
  readonly stats = { begun: 0, spared: 0, failed: 0 };
  readonly #spared: readonly IpRange[];
  readonly #sparesPrivate: boolean;
  readonly #reasons: Readonly<Record<Pattern, string>>;

  constructor(
    settings: Settings,
    private readonly rules: ActiveIpRules,
    private readonly repository: AutomaticBlocksRepository,
    private readonly audit: AuditService,
  ) {
    const trusted = listItems(settings.TRUSTED_PROXIES);
    this.#spared = [...LOOPBACK, ...trusted].map(networkOf).filter((range) => range !== null);
    this.#sparesPrivate = trusted.length === 0;
    this.#reasons = {
      attempts: `wrong or refused credentials: ${settings.AUTO_BLOCK_FAILURES} s`,
      client_ids: `client ids tried in vain: ${settings.AUTO_BLOCK_CLIENT_IDS} s`,
    };
  }

  /** Blocks an address, unless it is one to be spared. Never rejects: a block that cannot be written is logged. */
  async block(address: string, pattern: Pattern): Promise<void> {
    const range = readIpRange(addressKey(address));
    if (range === null) return;
    if (this.#isSpared(address, range)) {
      this.stats.spared += 1;
      return;
    }
    try {
      const reason = this.#reasons[pattern];
      const begun = await this.repository.block(range.cidr, address, reason, ({ id, expiresAt }, transaction) =>
        this.audit.record(
          {
            action: 'ip_rule.create',
            origin: SYSTEM_ORIGIN,
            subject: { type: 'ip_rule', id },
            details: {
              cidr: range.cidr,
              effect: 'block',
              reason,
              expires_at: expiresAt.toISOString(),
              automatic: true,
            },
          },
          transaction,
        ),
      );
      if (begun !== null) this.stats.begun += 1;
    } catch (error) {
      this.stats.failed += 1;
      logError(error, { context: 'automatic-block', level: 'warn' });
    }
  }

  #isSpared(address: string, range: IpRange): boolean {
    if (this.rules.allows(address) || this.#spared.some((each) => overlaps(each, range))) return true;
    return this.#sparesPrivate && PRIVATE_RANGES.includes(ipaddr.parse(address).range());
  }
}

/** A validated item of `TRUSTED_PROXIES`, whose address may have bits to the right of its mask. */
function networkOf(item: string): IpRange | null {
  if (!item.includes('/')) return readIpRange(item);
  const base = item.includes(':') ? ipaddr.IPv6 : ipaddr.IPv4;
  const network = base.networkAddressFromCIDR(item);
  return readIpRange(`${network.toString()}/${item.slice(item.indexOf('/') + 1)}`);
}
