import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { PACKAGES } from "./packages.mjs";
import { run } from "./workspace.mjs";

const PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

function present(probe) {
  if (probe.startsWith("/")) return existsSync(probe);
  return [...PATH, ...(process.env.PATH ?? "").split(delimiter)].some((folder) => existsSync(join(folder, probe)));
}

/** The packages whose files are not on this host. */
export function missingPackages() {
  return PACKAGES.filter((entry) => !present(entry.probe));
}

/** Why packages cannot be installed here, or undefined when they can. */
export function aptObstacle() {
  if (process.platform !== "linux") return `this is ${process.platform}, and Pileus runs instances on Linux alone`;
  if (!present("apt-get")) return "this is not Debian or Ubuntu (no apt-get)";
  if (process.getuid?.() !== 0) return "this process is not root";
  return undefined;
}

/**
 * Says what is missing and installs it. Returns the names that are still missing: all of them if nothing can be
 * installed. The caller then runs what it can.
 */
export async function installPackages(say) {
  const missing = missingPackages();
  if (missing.length === 0) {
    say(`packages: all ${PACKAGES.length} are here`);
    return [];
  }
  const names = missing.map((entry) => entry.name);
  const obstacle = aptObstacle();
  if (obstacle !== undefined) {
    say(`packages: cannot install, because ${obstacle}; missing:`);
    for (const entry of missing) say(`  ${entry.name.padEnd(20)} ${entry.use}`);
    say(`  on Debian or Ubuntu, as root: apt-get install --no-install-recommends ${names.join(" ")}`);
    return names;
  }
  say(`packages: installing ${names.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...argv) => run(["apt-get", "-q", ...argv], { env });
  if (!(await apt("update")) || !(await apt("install", "-y", "--no-install-recommends", ...names))) {
    say("packages: apt-get failed; its own message is above");
  }
  return missingPackages().map((entry) => entry.name);
}
