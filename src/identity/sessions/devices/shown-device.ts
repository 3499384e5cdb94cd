import { parse } from 'bowser';

/** What is read of a user agent: the rest of a long one says nothing more. */
const MAX_READ = 512;
const MAX_SHOWN = 80;
/** How browsers begin. */
const BROWSER = /^(?:Mozilla|Opera)\/\d/;
/** The first product of what is no browser (RFC 9110, 10.1.5): `curl/8.5.0`. */
const PRODUCT = /^([A-Za-z][\w.+-]{0,31})\/(\d{1,4})\b/;
const NOT_SHOWN = /[^\w .+()-]/g;

/**
 * What a device says of itself, as people know it: `Firefox 140 on Linux`. Null: nothing that can be read. It is the
 * caller's own word, shown and never decided by.
 */
export function shownDevice(userAgent: string | null): string | null {
  const text = (userAgent ?? '').slice(0, MAX_READ);
  if (!BROWSER.test(text)) return joined(PRODUCT.exec(text)?.slice(1) ?? [], undefined);
  const { browser, os } = parse(text);
  const isNamed = browser.name !== 'Mozilla';
  return joined(isNamed ? [browser.name, browser.version?.split('.', 1)[0]] : [], os.name);
}

function joined(program: readonly (string | undefined)[], system: string | undefined): string | null {
  const parts = [program.filter(Boolean).join(' '), system].filter(Boolean);
  return parts.join(' on ').replace(NOT_SHOWN, '').slice(0, MAX_SHOWN).trim() || null;
}
