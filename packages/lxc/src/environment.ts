import { ConfigError } from "@pileus/core";

/** What lxc-start itself, a program of the host, would act on. */
const READ_BY_TOOLS = /^(LD_|GLIBC_|GCONV_|LOCPATH|MALLOC_|LXC_|PATH$|HOME$|TMPDIR$|XDG_)/;

/**
 * The variables that no line of the configuration can hold because of a line break: lxc-start is given those and passes them on
 * (lxc.container.conf(5), lxc.environment without a value).
 *
 * @throws {ConfigError} for one that would change what lxc-start does.
 */
export function inheritedVariables(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const inherited = Object.entries(env).filter(([, value]) => /[\n\r]/.test(value));
  for (const [name] of inherited) {
    if (READ_BY_TOOLS.test(name) || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw new ConfigError("environment", [
        { path: ["env", name], message: "this variable cannot hold a line break" },
      ]);
    }
  }
  return Object.fromEntries(inherited);
}
