/** Where an address is, off-line and without waiting. */
export abstract class CountryLookup {
  /** ISO 3166 alpha-2 of a canonical address; null: not known. */
  abstract of(address: string): string | null;
}

/** Knows of no address where it is: conditions on countries then hold for no grant that allows. */
export const NO_COUNTRIES: CountryLookup = { of: () => null };
