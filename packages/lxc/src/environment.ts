import { ConfigError, type ConfigIssue } from "@pileus/core";

/** The variables that the starter, a program of the host with liblxc, would act on. */
const READ_BY_TOOLS = /^(LD_|GLIBC_|GCONV_|LOCPATH|MALLOC_|LXC_|PATH$|HOME$|TMPDIR$|XDG_)/;

type Variables = Readonly<Record<string, string>>;

/** The variables that no program can get, with the reason: a variable with a line break must pass through the starter. */
export function refusedVariables(env: Variables): readonly ConfigIssue[] {
  return multiline(env)
    .filter(([name]) => READ_BY_TOOLS.test(name) || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    .map(([name]) => ({ path: ["env", name], message: "this variable cannot hold a line break" }));
}

/**
 * The variables that no line of the configuration can hold because of a line break. The starter gets those and passes
 * them on (lxc.container.conf(5), lxc.environment without a value).
 *
 * @throws {ConfigError} for {@link refusedVariables}, because they would change what the starter does.
 */
export function inheritedVariables(env: Variables): Variables {
  const refused = refusedVariables(env);
  if (refused.length > 0) throw new ConfigError("environment", refused);
  return Object.fromEntries(multiline(env));
}

function multiline(env: Variables): readonly (readonly [name: string, value: string])[] {
  return Object.entries(env).filter(([, value]) => /[\n\r]/.test(value));
}
