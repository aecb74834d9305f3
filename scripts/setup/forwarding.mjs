import { existsSync, readFileSync, writeFileSync } from "node:fs";

const SETTING = "/proc/sys/net/ipv4/ip_forward";

/** Restores the host's own setting when this process exits: a managed network turns forwarding on and leaves it on. */
export function restoreForwardingAtExit() {
  if (process.getuid?.() !== 0 || !existsSync(SETTING)) return;
  const before = readFileSync(SETTING, "utf8");
  process.on("exit", () => {
    if (readFileSync(SETTING, "utf8") !== before) writeFileSync(SETTING, before);
  });
}
