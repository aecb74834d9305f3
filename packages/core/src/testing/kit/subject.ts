import type { AnyDriver } from "../../contract/backend.ts";
import type { Capability, LogStream } from "../../contract/capability.ts";
import type { Host } from "../../contract/host.ts";
import type { InstanceInfo } from "../../contract/instance.ts";
import type { Image } from "../../model/image.ts";
import type { HangStep } from "../hanging.ts";
import type { Need, SkipContext } from "../requires.ts";

/** What the kit needs of a test runner: vitest has it, and so has `node:test`, where `afterAll` is called `after`. */
export interface Runner {
  /** Registers a suite; `body` is called at once and registers its tests. */
  describe(name: string, body: () => void): unknown;
  /** Registers a test; `timeout` is in milliseconds. */
  it(name: string, options: { readonly timeout: number }, test: (context: SkipContext) => Promise<void>): unknown;
  /** Calls `hook` after the tests of the suite that is being described; `timeout` is in milliseconds. */
  afterAll(hook: () => Promise<void>, timeout?: number): unknown;
}

/** An account of the image other than root. */
export interface SubjectAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** All its groups, `gid` first. */
  readonly groups: readonly number[];
}

/** The driver under test, and its particulars. */
export interface DriverSubject {
  /** The driver's name. */
  readonly driver: string;
  /** The capabilities that it declares. The kit checks them, and that all others are refused. */
  readonly capabilities: readonly Capability[];
  /** Opens a host on the folder with this driver; called several times for one folder. */
  open(root: string): Promise<Host<AnyDriver>>;
  /**
   * Opens a host that cannot find out what runs, as in `openHost({ root, drivers: [blinded(lxc())] })`. Without it the
   * kit does not test that the trouble of one process stays its own.
   */
  openBlind?(root: string): Promise<Host<AnyDriver>>;
  /**
   * Opens a host on which one step of the driver never answers, as in
   * `openHost({ root, drivers: [hanging(lxc(), step, arrived)] })`. Without it the kit does not test that calls which hang
   * are overtaken.
   */
  openHanging?(root: string, step: HangStep, arrived: () => void): Promise<Host<AnyDriver>>;
  /**
   * Opens a host whose networks never answer when an instance gets another name, as if a server of theirs did not;
   * `arrived` is called when they are asked. Without it the kit does not test that such a rename is overtaken.
   */
  openHangingNetworks?(root: string, arrived: () => void): Promise<Host<AnyDriver>>;
  /** An image to run. It needs `sh`, `cat`, `id`, `stty` and the like of BusyBox or Debian, and nothing else. */
  image(host: Host<AnyDriver>): Promise<Image>;
  /** Additional keys for every create: a nic, limits, the driver's section. */
  readonly config?: SubjectConfig | ((host: Host<AnyDriver>) => Promise<SubjectConfig>) | undefined;
  /** The keys that make an instance ignore a request to stop. Without them the kit does not test such instances. */
  readonly stubborn?: SubjectConfig | ((host: Host<AnyDriver>) => Promise<SubjectConfig>) | undefined;
  /** A command that succeeds inside once such an instance ignores requests, if it obeys at first. Needs `exec`. */
  readonly stubbornOnce?: readonly string[] | undefined;
  /** Default: `daemon`, 1:1. */
  readonly account?: SubjectAccount | undefined;
  /** An instance whose main program is missing, to test its start. Called once, with the folder's host. */
  readonly missing?: ((host: Host<AnyDriver>) => Promise<MissingProgram>) | undefined;
  /**
   * A program that needs more memory than its instance has, and the keys that leave it so little. Without it the
   * promise about such programs is not checked.
   */
  readonly greedy?: { readonly argv: readonly string[]; readonly config?: SubjectConfig | undefined } | undefined;
  /** The command that ends the instance from inside. Default: `poweroff`. */
  readonly endsItself?: readonly string[] | undefined;
  /** The streams of which its instances have logs, with the capability `logs`. Default: `LOG_STREAMS` of its kind. */
  readonly streams?: readonly LogStream[] | undefined;
  /**
   * `without times`: its logs are files that programs write by themselves, and the kit expects the refusal of `since` and
   * `timestamps`. Default: they have times.
   */
  readonly logs?: "without times" | undefined;
  /** Its instances print some hundred kilobytes in a second at most: the kit prints less. Default false. */
  readonly slowOutput?: boolean | undefined;
  /** Whether it has disks: folders and files of the host, and memory. Default false: the kit expects their refusal. */
  readonly disks?: boolean | undefined;
  /** The keys that make `sh -c SCRIPT` the main program, where that prints to `stdout` and `stderr`, with `logs`. */
  readonly main?: ((script: string) => SubjectConfig) | undefined;
  /** What an instance prints at its start, with the capability `logs`. */
  readonly prints?: { readonly stream: LogStream; readonly text: RegExp } | undefined;
  /**
   * How a host dies in the recover chapter, and where the second host runs. `kill`: in another process, which dies by
   * SIGKILL; `module` is the URL of a module that exports `subject`, this very object. `abandon`: in this process,
   * where the host is simply left, for a driver whose instances cannot outlive the process. The kit then tests several
   * processes only as far as two hosts in one process can show it.
   */
  readonly crash: { readonly how: "kill"; readonly module: string } | { readonly how: "abandon" };
  /** Kills an instance without its host; resolves when it has ended. Default: SIGKILL to `info.pid`. */
  lose?(info: InstanceInfo): Promise<void>;
  /**
   * Descriptions of everything that exists of instances of the root, also outside it: processes, mounts, interfaces …
   */
  leftovers?(root: string): Promise<readonly string[]>;
  /** Undoes what `config` changed on the host. */
  cleanUp?(host: Host<AnyDriver>): Promise<void>;
  /** The longest that one verb may take, in milliseconds. Default 10 s. */
  readonly deadline?: number | undefined;
  /**
   * The one promise that the kit does not require: `node:child_process` does not report an end by a real-time signal,
   * so a driver that starts programs with it cannot either.
   */
  readonly blindTo?: "real-time signals" | undefined;
  /**
   * What its instances are not kept from, if the driver does not promise it: the kit then leaves it out. State it in the
   * driver's documentation, too. Default: the kit checks everything.
   */
  readonly unconfined?: readonly Confinement[] | undefined;
  /** Where to create the state folder. Default: the system's folder for temporary files. */
  readonly folder?: string | undefined;
  /** What the tests need of the machine: see {@link requires}. */
  readonly needs?: readonly Need[] | undefined;
}

/**
 * What an instance is kept from: `files`, to read files of the host; `processes`, to signal programs of the host, or
 * to look into them; `kernel settings`, to change those of the host in /proc/sys; `mounts`, to mount where the host
 * sees it; `devices`, to open devices of the host by nodes of its own; `rights of exec`, to get more rights by `exec` than
 * its main program has; `network`, with that capability, to reach more than its nic allows.
 */
export type Confinement =
  | "files"
  | "processes"
  | "kernel settings"
  | "mounts"
  | "devices"
  | "rights of exec"
  | "network";

/** How to create an instance whose main program is missing, and the program that the error of start must name. */
export interface MissingProgram {
  readonly program: string;
  /** Default: the image of the subject. */
  readonly image?: Image | undefined;
  /** Additional keys for the create. */
  readonly config?: SubjectConfig | undefined;
}

/** Keys of an instance's configuration. */
export type SubjectConfig = Readonly<Record<string, unknown>>;
