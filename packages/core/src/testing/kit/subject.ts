import type { Capability, LogStream } from "../../contract/capability.ts";
import type { Host } from "../../contract/host.ts";
import type { InstanceInfo } from "../../contract/instance.ts";
import type { AnyDriver } from "../../driver/backend.ts";
import type { Image } from "../../model/image.ts";
import type { Need, SkipContext } from "../requires.ts";

/** What the kit needs of a test runner: what vitest has, and `node:test` but for the name of its `after`. */
export interface Runner {
  /** A suite; `body` is called at once and names its tests. */
  describe(name: string, body: () => void): unknown;
  /** One test; `timeout` in milliseconds. */
  it(name: string, options: { readonly timeout: number }, test: (context: SkipContext) => Promise<void>): unknown;
  /** Has `hook` called after the tests of the suite that is being described; `timeout` in milliseconds. */
  afterAll(hook: () => Promise<void>, timeout?: number): unknown;
}

/** An account that the image has beside root. */
export interface SubjectAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** All its groups, `gid` first. */
  readonly groups: readonly number[];
}

/** The driver under test, and what is particular about it. */
export interface DriverSubject {
  /** The driver's name. */
  readonly driver: string;
  /** What it says that it can do; the kit checks it, and that the rest is refused. */
  readonly capabilities: readonly Capability[];
  /** Opens a host on the folder with this driver; called several times for one folder. */
  open(root: string): Promise<Host<AnyDriver>>;
  /** An image to run. It needs `sh`, `cat`, `id`, `stty` and the like of BusyBox or Debian, and nothing else. */
  image(host: Host<AnyDriver>): Promise<Image>;
  /** More keys for every create: a nic, limits, the driver's section. */
  readonly config?: SubjectConfig | ((host: Host<AnyDriver>) => Promise<SubjectConfig>) | undefined;
  /**
   * The keys that make an instance ignore being asked to stop. Without it the promises about such ones are not checked.
   */
  readonly stubborn?: SubjectConfig | ((host: Host<AnyDriver>) => Promise<SubjectConfig>) | undefined;
  /** What succeeds inside once such an instance ignores it, where it obeys at first. Needs the capability `exec`. */
  readonly stubbornOnce?: readonly string[] | undefined;
  /** Default: `daemon`, 1:1. */
  readonly account?: SubjectAccount | undefined;
  /** An instance whose main program is not there, for the promise about such. Called once, with the folder's host. */
  readonly missing?: ((host: Host<AnyDriver>) => Promise<MissingProgram>) | undefined;
  /**
   * A program that needs more memory than its instance has, and the keys that leave it so little. Without it the promise
   * about such programs is not checked.
   */
  readonly greedy?: { readonly argv: readonly string[]; readonly config?: SubjectConfig | undefined } | undefined;
  /** What a program inside runs to end the instance from within. Default: `poweroff`. */
  readonly endsItself?: readonly string[] | undefined;
  /** Of which streams its instances have logs, with the capability `logs`. Default: those of its kind, `LOG_STREAMS`. */
  readonly streams?: readonly LogStream[] | undefined;
  /** What an instance prints as it comes up, with the capability `logs`. */
  readonly prints?: { readonly stream: LogStream; readonly text: RegExp } | undefined;
  /**
   * How the recover chapter has a host die, and where the other host is that shares the folder. `kill`: in a process of
   * its own, which dies by SIGKILL; `module` is the URL of a module that exports `subject`, this very object. `abandon`:
   * in this process, and the host is left as it is, for a driver whose instances cannot outlive the process. No promise
   * about several processes is then checked but what two hosts of one process can show.
   */
  readonly crash: { readonly how: "kill"; readonly module: string } | { readonly how: "abandon" };
  /** Ends an instance behind the host's back; resolves when it has ended. Default: by SIGKILL to `info.pid`. */
  lose?(info: InstanceInfo): Promise<void>;
  /** What is there of any instance of the root, outside of the root too: processes, mounts, interfaces … as words. */
  leftovers?(root: string): Promise<readonly string[]>;
  /** Undoes what `config` did to the host. */
  cleanUp?(host: Host<AnyDriver>): Promise<void>;
  /** The longest that one verb may take, in milliseconds. Default 10 s. */
  readonly deadline?: number | undefined;
  /**
   * The one thing that the kit does not insist on: a driver that starts programs by `node:child_process` is told nothing
   * of an end by a real-time signal.
   */
  readonly blindTo?: "real-time signals" | undefined;
  /** Where to make the state folder. Default: the system's folder for temporary files. */
  readonly folder?: string | undefined;
  /** What the machine must have: see {@link requires}. */
  readonly needs?: readonly Need[] | undefined;
}

/** How to make an instance whose main program is missing, and what start is to name. */
export interface MissingProgram {
  readonly program: string;
  /** Default: the subject's. */
  readonly image?: Image | undefined;
  /** More keys for the create. */
  readonly config?: SubjectConfig | undefined;
}

/** Keys of an instance's configuration. */
export type SubjectConfig = Readonly<Record<string, unknown>>;
