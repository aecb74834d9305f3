import { HostError } from "../errors/all.ts";

/**
 * Refuses every runtime but Node. Bun and Deno load the packages, but descriptors, signals and streams of child
 * processes behave differently there.
 * @throws {HostError} that names the runtime.
 */
export function assertNode(action: string, versions: Readonly<Record<string, string | undefined>>): void {
  for (const runtime of ["Bun", "Deno"]) {
    const version = versions[runtime.toLowerCase()];
    if (version === undefined) continue;
    const fix = "run the program with Node 20.19 or newer";
    throw new HostError(action, [{ need: "node", reason: `this is ${runtime} ${version}`, fix }]);
  }
}
