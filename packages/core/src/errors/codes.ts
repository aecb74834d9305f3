/** What an error code means, and what to do about it. */
export interface ErrorMeaning {
  readonly meaning: string;
  readonly action: string;
}

/**
 * Every code that an error of this library can carry. Codes are stable under semantic versioning; messages are not.
 * `docs/errors.md` is generated from this table.
 */
export const ERROR_CODES = {
  ERR_INSTANCE_NOT_FOUND: {
    meaning: "There is no instance of that name.",
    action: "Create it, or look among the names that `host.list()` gives.",
  },
  ERR_IMAGE_NOT_FOUND: {
    meaning: "There is no such image in this host's store or at its source.",
    action: "Import it with `images.import()`, or look among `images.list()`; the message has a hint.",
  },
  ERR_NETWORK_NOT_FOUND: {
    meaning: "There is no network of that name.",
    action: "Create it with `networks.create()`.",
  },
  ERR_DEVICE_NOT_FOUND: {
    meaning: "The instance has no device of that name.",
    action: "Look among `devices` in the `config` that `inspect()` gives.",
  },
  ERR_USER_NOT_FOUND: {
    meaning: "The instance has no such user.",
    action: "Name a user of the instance's `/etc/passwd`, or give a number.",
  },
  ERR_GROUP_NOT_FOUND: {
    meaning: "The instance has no such group.",
    action: "Name a group of the instance's `/etc/group`, or give a number.",
  },
  ERR_PROGRAM_NOT_FOUND: {
    meaning: "The instance has no such program, or the program's interpreter is missing there.",
    action: "Give the path of a program that exists in the instance.",
  },
  ERR_PROCESS_NOT_FOUND: {
    meaning:
      "The instance has no detached program of that id on record: none had it, or it ended more than an hour ago.",
    action: "Look among `processes()`.",
  },
  ERR_HOST_FILE_NOT_FOUND: {
    meaning: "A file or folder of the host, such as the source of an image, does not exist.",
    action: "Check the path.",
  },
  ERR_INSTANCE_EXISTS: {
    meaning: "The name is taken by another instance.",
    action: "Choose another name, or delete that instance first.",
  },
  ERR_NETWORK_EXISTS: {
    meaning: "A network of that name has another definition.",
    action: "Choose another name, or delete that network first.",
  },
  ERR_INTERFACE_EXISTS: {
    meaning: "The machine has a network interface of that name that Pileus did not make.",
    action: "Choose another name for the network.",
  },
  ERR_DEVICE_EXISTS: {
    meaning: "The instance has another device of that name.",
    action: "Choose another name, or detach that device first.",
  },
  ERR_IMAGE_IN_USE: {
    meaning: "Instances use the image that was to be deleted.",
    action: "Delete the instances in `users` first.",
  },
  ERR_DEVICE_IN_USE: {
    meaning: "Programs use the device that was to be detached or changed.",
    action: "End the programs in `users`, or detach it with `force: true`.",
  },
  ERR_NETWORK_IN_USE: {
    meaning: "Instances use the network that was to be deleted.",
    action: "Delete the instances in `users` first.",
  },
  ERR_INSTANCE_STATE: {
    meaning: "The instance is in a state in which the call is not legal.",
    action: "Bring it into one of the `expected` states; `exit` and `lastLines` say why it ended.",
  },
  ERR_UNSUPPORTED: {
    meaning: "The driver, this host or this guest cannot do what the call asks for.",
    action: "Read `reason`; check `instance.can()` before the call.",
  },
  ERR_CONFIG: {
    meaning: "The configuration or an argument is invalid; nothing was touched.",
    action: "Correct each of `issues`; each has its path.",
  },
  ERR_HOST: {
    meaning: "The host lacks something that the call needs.",
    action: "Apply the `fix` of each entry of `missing`; `host.doctor()` checks them all.",
  },
  ERR_COMMAND: {
    meaning: "A tool of the host failed.",
    action: "Read `stderr`, or run `argv` by hand.",
  },
  ERR_PROTOCOL: {
    meaning: "A peer (QMP, the agent, a registry) broke its protocol, or a file that Pileus keeps is malformed.",
    action: "Report it together with `received`.",
  },
  ERR_CONNECTION: {
    meaning: "The connection to a peer broke or could not be made, or the host was disposed.",
    action: "Check that `peer` is up; open the host again if it was disposed.",
  },
  ERR_TIMEOUT: {
    meaning: "A deadline passed.",
    action: "Give a longer `timeout`, or find out what hangs.",
  },
  ERR_RUN: {
    meaning: "A program failed, and `run()` was called with `check`.",
    action: "Look at `result`: the exit code or signal, and what the program printed.",
  },
  ERR_CONSOLE_BUSY: {
    meaning: "Another process, or another stream, writes to the console.",
    action: "Take over with `console({ take: true })`, or wait until the process `pid` is done.",
  },
  ERR_WATCH_OVERRUN: {
    meaning: "A reader of `watch()` fell too far behind, and events were lost.",
    action: "Read the state again, watch again, and read faster.",
  },
  ERR_WATCH_CURSOR: {
    meaning:
      "Events cannot be told from that cursor on: it is older than what the journal keeps, or not of this journal.",
    action: "Read the states again with `host.list()`, and watch without `since`, or from `oldest` on.",
  },
  ERR_AGENT: {
    meaning: "The agent in the guest refused a call, or the call failed there.",
    action: "Read `reason`, which comes from the guest.",
  },
  ERR_DRIVER: {
    meaning: "The driver broke the rules of the driver interface.",
    action: "Report `step` and `cause` to the author of the driver.",
  },
  ERR_IMAGE_INVALID: {
    meaning: "An image is malformed or hostile, or its content differs from its digest.",
    action: "Fetch or build the image again; do not trust this one.",
  },
  ERR_FILE: {
    meaning: "A file operation failed, inside the instance or on the host's end of a transfer.",
    action: "Read `errno`, the system's name of the failure: `ENOENT` for a file that does not exist.",
  },
} as const satisfies Readonly<Record<`ERR_${string}`, ErrorMeaning>>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The code of a {@link NotFoundError}, by the noun that it is about. */
export const NOT_FOUND_CODES = {
  instance: "ERR_INSTANCE_NOT_FOUND",
  image: "ERR_IMAGE_NOT_FOUND",
  network: "ERR_NETWORK_NOT_FOUND",
  device: "ERR_DEVICE_NOT_FOUND",
  user: "ERR_USER_NOT_FOUND",
  group: "ERR_GROUP_NOT_FOUND",
  program: "ERR_PROGRAM_NOT_FOUND",
  process: "ERR_PROCESS_NOT_FOUND",
  "host file": "ERR_HOST_FILE_NOT_FOUND",
} as const satisfies Readonly<Record<string, ErrorCode>>;

/** The code of an {@link AlreadyExistsError}, by the noun that it is about. */
export const EXISTS_CODES = {
  instance: "ERR_INSTANCE_EXISTS",
  network: "ERR_NETWORK_EXISTS",
  device: "ERR_DEVICE_EXISTS",
  interface: "ERR_INTERFACE_EXISTS",
} as const satisfies Readonly<Record<string, ErrorCode>>;

/** The code of an {@link InUseError}, by the noun that it is about. */
export const IN_USE_CODES = {
  image: "ERR_IMAGE_IN_USE",
  network: "ERR_NETWORK_IN_USE",
  device: "ERR_DEVICE_IN_USE",
} as const satisfies Readonly<Record<string, ErrorCode>>;
