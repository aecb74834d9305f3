import { text } from "node:stream/consumers";
import { type Abortable, CommandError, Deadline, HostError, type InstanceConfig } from "@pileus/core";
import {
  commandEnd,
  findTool,
  type InstanceContext,
  type Keeper,
  launchKeeper,
  missingTool,
  openKeeperLog,
  ownCgroup,
} from "@pileus/core/driver";
import { QEMU } from "./argv/argv.ts";
import { type ConfinedUser, confined } from "./confine.ts";
import { accountsIn, keeperOrder } from "./keeper-order.ts";
import { soon } from "./kept.ts";
import { TOOLS } from "./tools.ts";

/** How long the host may take until QEMU is executed, in milliseconds. It takes some tens. */
const START_TIME = 30_000;

/** How much of what QEMU printed an error quotes. */
const QUOTED = { lines: 40, characters: 4096 } as const;

/**
 * Starts QEMU with a keeper, in the cgroup of this name, so that it outlives this process and the service that this
 * process belongs to. It never runs as another user than `user`, and has no settings and no keys of this process.
 * `descriptors` are inherited as its 3, 4 and so on. Resolves when it was executed; it may still fail.
 *
 * @throws {HostError} when QEMU is not installed, or the cgroup cannot be made.
 */
export async function startQemu(
  { run, log, config }: Pick<InstanceContext, "run" | "log"> & { readonly config: Pick<InstanceConfig, "log"> },
  options: Abortable & {
    readonly argv: readonly string[];
    readonly cgroup: string;
    readonly user: ConfinedUser | undefined;
    readonly descriptors: readonly number[];
  },
): Promise<Keeper> {
  const { argv, user, descriptors, signal } = options;
  const [qemu = ""] = argv;
  if (findTool(qemu) === undefined) throw new HostError("start a virtual machine", [missingTool(qemu, TOOLS[QEMU])]);
  const cgroup = ownCgroup(options.cgroup);
  const order = keeperOrder(confined(argv, user), config, accountsIn(cgroup));
  using deadline = new Deadline({ action: "the start of QEMU", timeout: START_TIME, signal });
  const launched = await launchKeeper({ run, log }, order, { descriptors, cgroup, signal: deadline.signal });
  // When it rejects, nothing of it is left.
  return await launched.begin(deadline);
}

/** The error for a QEMU that has ended before its monitor answered. */
export async function failureOf(
  { log }: Pick<InstanceContext, "log">,
  argv: readonly string[],
  keeper: Keeper,
): Promise<CommandError> {
  const exit = await soon(keeper.exit);
  const end = exit?.status === undefined ? { exitCode: 1 } : commandEnd(exit.status);
  const printed = await text(await openKeeperLog(log, { stream: "stderr", tail: QUOTED.lines }));
  return new CommandError({ argv, ...end, stderr: printed.slice(-QUOTED.characters) });
}
