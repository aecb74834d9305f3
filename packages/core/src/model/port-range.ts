/** Ports from `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Reads the digits of a port, or of both ends of a range. Returns the problem, in words, if there is one. */
export function readPortRange(first: string, last = first): PortRange | string {
  const range = { first: Number(first), last: Number(last) };
  if (range.first < 1 || range.last > 65_535) return "a port is a number from 1 to 65535";
  if (range.first > range.last) return `a range begins with its lower port: ${last}-${first}`;
  return range;
}

/** As nft(8) lists it. */
export function renderPortRange({ first, last }: PortRange): string {
  return first === last ? `${first}` : `${first}-${last}`;
}
