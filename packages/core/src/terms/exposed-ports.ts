/** A port that the program of an image listens on. */
export interface ExposedPort {
  readonly port: number;
  readonly protocol: "tcp" | "udp" | "sctp";
}

const PROTOCOLS: ReadonlySet<string> = new Set(["tcp", "udp", "sctp"]);
/** The most ports to read of one image: a few bytes can name all ports, and ranges can overlap. */
const MAX_PORTS = 65_535;

/**
 * Reads the keys of an image's `ExposedPorts` (image-spec, config.md: `port/tcp`, `port/udp`, `port`, which means tcp).
 * Docker's range (`8000-8005/tcp`) means each port in it. Other keys are left out, and so is what follows the first
 * 65,535 ports: what an image declares must not be a reason to refuse an instance.
 */
export function parseExposedPorts(entries: readonly string[]): readonly ExposedPort[] {
  const found = new Map<string, ExposedPort>();
  let left = MAX_PORTS;
  for (const entry of entries) {
    const [, first, last = first, protocol = "tcp"] =
      /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([a-z]+))?$/.exec(entry.toLowerCase()) ?? [];
    if (!PROTOCOLS.has(protocol) || Number(first) < 1 || Number(last) > 65_535) continue;
    for (let port = Number(first); port <= Number(last) && left > 0; port += 1, left -= 1)
      found.set(`${port}/${protocol}`, { port, protocol: protocol as ExposedPort["protocol"] });
  }
  return [...found.values()];
}
