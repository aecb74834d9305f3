import type { ExecRequest, Idmap } from "@pileus/core/driver";
import type { ContainerAccounts } from "../accounts.ts";
import type { ExecDefaults } from "../container-spec.ts";
import { assertMapped } from "../user.ts";
import type { HelperRequest } from "./protocol.ts";

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Fills in what depends on the instance's own files: the user, and what follows from it. */
export async function completeRequest(
  request: ExecRequest,
  name: string,
  defaults: ExecDefaults,
  accounts: Pick<ContainerAccounts, "find">,
  idmap: Idmap | undefined,
): Promise<HelperRequest> {
  const user = await accounts.find(request.user ?? defaults.user);
  assertMapped(user, idmap);
  return {
    argv: request.argv,
    env: {
      PATH: DEFAULT_PATH,
      HOME: user.home,
      USER: user.name,
      HOSTNAME: name,
      ...(request.tty === undefined ? {} : { TERM: "xterm-256color" }),
      ...defaults.env,
      ...request.env,
    },
    cwd: request.cwd ?? defaults.cwd ?? "/",
    uid: user.uid,
    gid: user.gid,
    groups: user.groups,
    tty: request.tty,
  };
}
