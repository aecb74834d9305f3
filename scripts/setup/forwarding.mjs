import { existsSync, readFileSync, writeFileSync } from "node:fs";

const SETTING = "/proc/sys/net/ipv4/ip_forward";

/** Gives the host its own setting back when this process exits: a managed network turns forwarding on and leaves it so. */
export function restoreForwardingAtExit() {
  if (process.getuid?.() !== 0 || !existsSync(SETTING)) return;
  const before = readFileSync(SETTING, "utf8");
  process.on("exit", () => {
    if (readFileSync(SETTING, "utf8") !== before) writeFileSync(SETTING, before);
  });
}
