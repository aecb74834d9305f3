import { constants } from "node:os";
import { join } from "node:path";
import {
  type Abortable,
  type ExitStatus,
  ImageError,
  type InstanceConfig,
  type OciProcess,
  OciProcessSchema,
  type ProgressOptions,
} from "@pileus/core";
import {
  type Backend,
  type DriverContext,
  type IdmapRequest,
  type InstanceContext,
  ownerOutside,
  type Plan,
  type Running,
} from "@pileus/core/driver";
import { type Account, findAccount } from "@pileus/core/files";
import {
  APPLICATION_DEFAULTS,
  adoptContainer,
  assertMapped,
  type ContainerSpec,
  confinementOf,
  containerIds,
  type ExecDefaults,
  type InitSpec,
  idmapRequest,
  lastExit,
  launchContainer,
  makeRoot,
  type PrepareContainer,
  refusals,
  refusedProfile,
  removeContainer,
} from "@pileus/lxc/runtime";
import { pingGroups } from "./ping-groups.ts";
import { plan } from "./plan.ts";
import { prepareRoot } from "./prepare.ts";
import { type Program, resolveProgram } from "./process.ts";
import type { OciSection } from "./section.ts";

/** What application containers can do. */
export type OciCapability = "exec" | "detached" | "files" | "freeze" | "network" | "metrics" | "logs";

/** Application containers on the runtime of `@pileus/lxc`: an image's program as PID 1, its output in two pipes. */
export class OciBackend implements Backend<OciCapability> {
  readonly #hostId: string;

  constructor(context: DriverContext) {
    this.#hostId = context.hostId;
  }

  plan(before: InstanceConfig | undefined, after: InstanceConfig): Plan {
    const section = after["oci"] as OciSection | undefined;
    const role = section?.init || section?.keepAlive ? "reaper" : "program";
    const refused = refusedProfile("oci", section, APPLICATION_DEFAULTS, role);
    return plan(before, after, [...refusals(after), ...refused]);
  }

  idmap(config: InstanceConfig): IdmapRequest | undefined {
    return idmapRequest(config);
  }

  async materialize(instance: InstanceContext, options: ProgressOptions): Promise<void> {
    const program = programOf(instance);
    options.signal?.throwIfAborted();
    const user = findAccount(program.user, { passwd: "", group: "" });
    // A user name can only be looked up once the files are there.
    if (!("unknown" in user)) assertMapped(user, this.#container(instance).idmap, USER);
    makeRoot(this.#container(instance));
  }

  async launch(instance: InstanceContext, options: Abortable): Promise<Running<OciCapability>> {
    const program = programOf(instance);
    assertNotEmpty(instance);
    const container = { ...this.#container(instance), ...programSpec(program) };
    const prepare: PrepareContainer = async (files) => {
      const user = await prepareRoot(files, { name: instance.name, program, nics: instance.nics }, options);
      const { idmap } = container;
      assertMapped(user, idmap, USER);
      const output = { kind: "pipes", owner: ownerOutside(idmap, user) } as const;
      return { ...container, ...programSpec(program, user), output };
    };
    return await launchContainer(container, prepare, options);
  }

  async adopt(instance: InstanceContext): Promise<Running<OciCapability> | undefined> {
    return await adoptContainer({ ...this.#container(instance), ...programSpec(programOf(instance)) });
  }

  lastExit(instance: InstanceContext): Promise<ExitStatus | undefined> {
    return lastExit(this.#container(instance));
  }

  async remove(instance: InstanceContext): Promise<void> {
    await removeContainer(this.#container(instance));
  }

  /** The container without its program. */
  #container(instance: InstanceContext): ContainerSpec {
    const { idmap, mappedOnDisk } = containerIds(instance);
    if (instance.tree.kind !== "layers") throw new TypeError("an OCI image has layers");
    return {
      name: instance.key,
      hostName: instance.name,
      hostId: this.#hostId,
      root: { layers: instance.tree.layers, mappedOnDisk, folder: join(instance.folder, "root") },
      idmap,
      init: { argv: [], haltSignal: constants.signals.SIGTERM },
      confinement: confinementOf(sectionOf(instance), APPLICATION_DEFAULTS),
      run: instance.run,
      log: instance.log,
      logBounds: instance.config.log,
      // The user is known at a launch alone, and nothing else needs it.
      output: { kind: "pipes", owner: ownerOutside(idmap, { uid: 0, gid: 0 }) },
      nics: instance.nics,
      limits: instance.config.limits,
      devices: instance.config.devices,
      // Any user may listen to port 80 and ping, as in Docker: the network is the container's own.
      sysctls: {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ping_group_range": pingGroups(idmap),
      },
      // Every program may count on POSIX shared memory: shm_open(3).
      tmpfs: [{ path: "/dev/shm", mode: 0o1777 }],
    };
  }
}

function sectionOf(instance: InstanceContext): OciSection {
  return instance.config["oci"] as OciSection;
}

/** @throws {ConfigError} when there is nothing to run */
function programOf(instance: InstanceContext): Program {
  const { name, config, image } = instance;
  return resolveProgram(image.process ?? NO_PROCESS, sectionOf(instance), { name, env: config.env });
}

/** An image may be metadata alone (`FROM scratch`): then there is nothing to mount or to run. */
function assertNotEmpty({ image }: InstanceContext): void {
  if (image.layers.length === 0)
    throw new ImageError(image.source, "it is empty: it has no layer, so no program can start; use another image");
}

/** Where a configuration names the user of the program. */
const USER = { subject: "instance config", path: ["oci", "user"] } as const;

const NO_PROCESS: OciProcess = OciProcessSchema.parse({});

/** The program as PID 1, and the defaults of every `exec`. The user does not matter once it runs. */
function programSpec(program: Program, user?: Account): { readonly init: InitSpec; readonly exec: ExecDefaults } {
  const { role, argv, env, imageEnv, workdir: cwd, stopSignal } = program;
  return {
    init: {
      role,
      argv,
      uid: user?.uid,
      gid: user?.gid,
      groups: user?.groups,
      cwd,
      env: { ...(user === undefined ? {} : { HOME: user.home }), ...env },
      haltSignal: stopSignal,
    },
    // The engine adds the variables of the configuration.
    exec: { env: imageEnv, cwd, user: program.user || undefined },
  };
}
