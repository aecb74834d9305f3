import type { Capability, LogStream } from "../../contract/capability.ts";
import type { Host } from "../../contract/host.ts";
import type { InstanceInfo } from "../../contract/instance.ts";
import type { AnyDriver } from "../../driver/backend.ts";
import type { Image } from "../../model/image.ts";
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
  /** Where to create the state folder. Default: the system's folder for temporary files. */
  readonly folder?: string | undefined;
  /** What the tests need of the machine: see {@link requires}. */
  readonly needs?: readonly Need[] | undefined;
}

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
