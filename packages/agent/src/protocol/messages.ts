import { isIP } from "node:net";
import type { SignalName } from "@pileus/core";
import { isNameText, parseSignal, printable } from "@pileus/core/files";
import { z } from "zod";

/**
 * The content of records, calls and their messages. The host parses everything from the guest with these schemas. The
 * agent trusts its host and uses only the types, so that it loads no schema library under an emulated processor.
 */

export const HelloSchema = z.strictObject({
  token: z.string().regex(/^[0-9a-f]{32}$/),
  protocols: z.array(z.int()).min(1).max(16),
});
export type Hello = z.output<typeof HelloSchema>;

// Such text ends up in errors, on terminals and in logs.
const text = (max: number) =>
  z
    .string()
    .max(max)
    .transform((said) => printable(said));

// Not strict: an agent newer than the host may send more members.
export const WelcomeSchema = z.object({
  token: z.string().max(64),
  protocol: z.int(),
  /** The version of the agent's package. */
  agent: text(64),
  /** The methods that it knows. */
  methods: z.array(text(64)).max(64),
  /** Different after each boot of the guest's kernel. */
  bootId: text(64),
});
/** What an agent reports about itself when a session begins. */
export type Welcome = z.output<typeof WelcomeSchema>;

export const RefuseSchema = z.object({ token: z.string().max(64).optional(), reason: text(256) });
export type Refuse = z.output<typeof RefuseSchema>;

/**
 * The request of a call. Channel 0 carries bytes into the guest; channel 1, and for `exec` also 2, carry bytes out of
 * it.
 */
export type CallRequest =
  | {
      readonly method: "exec";
      readonly argv: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd?: string | undefined;
      readonly user?: string | undefined;
      readonly tty?: { readonly columns: number; readonly rows: number } | undefined;
    }
  /** A program that goes on without the host. `at`: the host's time, in milliseconds since 1970. */
  | {
      readonly method: "detach";
      readonly id: string;
      readonly at: number;
      readonly argv: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd?: string | undefined;
      readonly user?: string | undefined;
    }
  | { readonly method: "programs" }
  | { readonly method: "attach"; readonly id: string; readonly offset: number; readonly follow: boolean }
  | { readonly method: "wait"; readonly id: string }
  | { readonly method: "signal"; readonly id: string; readonly signal: SignalName }
  | { readonly method: "read" | "stat" | "list" | "readTree" | "writeTree"; readonly path: string }
  | { readonly method: "write"; readonly path: string; readonly options: OwnerFields }
  | {
      readonly method: "mkdir";
      readonly path: string;
      readonly options: OwnerFields & { readonly recursive?: boolean | undefined };
    }
  | { readonly method: "remove"; readonly path: string; readonly recursive: boolean }
  | { readonly method: "ping" | "addresses" | "metrics" | "info" }
  /** `time`: the host's time, in milliseconds since 1970. */
  | { readonly method: "clock"; readonly time: number }
  | { readonly method: "power"; readonly action: "off" | "reboot" };

export type Method = CallRequest["method"];

export interface OwnerFields {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly mode?: number | undefined;
}

/** A message of the host about a running call. */
export type HostMessage =
  | { readonly type: "signal"; readonly signal: SignalName }
  | { readonly type: "resize"; readonly columns: number; readonly rows: number }
  /** To `detach`: the host knows that the program runs. */
  | { readonly type: "keep" };

// signal(7): 32 and 33 belong to the C library and have no names.
const SignalSchema = z
  .string()
  .max(16)
  .refine((name) => /^SIG3[23]$/.test(name) || (name.startsWith("SIG") && parseSignal(name) !== undefined))
  .transform((name) => name as SignalName);

export const ExitStatusSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("exited"), code: z.int().min(0).max(255) }),
  z.object({ kind: z.literal("signaled"), signal: SignalSchema }),
]);

/** How a program ended: within a message, and as the result of its call. */
export const ExitSchema = z.object({
  status: ExitStatusSchema,
  /** The program ended by SIGKILL, and since its start the guest's kernel has killed a process because memory ran out. */
  oom: z.boolean().optional(),
});
export type Exit = z.output<typeof ExitSchema>;

/** A message of the agent about a running call. */
export const AgentMessageSchema = z.discriminatedUnion("type", [
  /** The program runs or the file is open: bytes may follow. */
  z.object({ type: z.literal("started") }),
  /** The program ended; its output may still be on the way. */
  ExitSchema.extend({ type: z.literal("exit") }),
]);
export type AgentMessage = z.output<typeof AgentMessageSchema>;

const FailureSchema = z.object({
  /** An errno name, or another short word. */
  reason: text(64),
  message: text(4096),
  /** For a file operation on a tree: the file that failed. */
  path: text(4096).optional(),
  /** For a file operation: more about the cause. */
  detail: text(256).optional(),
});
export type Failure = z.output<typeof FailureSchema>;

/** How a call ended. */
export const OutcomeSchema = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(true), result: z.unknown().optional() }),
  z.object({ ok: z.literal(false), error: FailureSchema }),
]);
export type Outcome = z.output<typeof OutcomeSchema>;

// The valid numbers. A larger one is nonsense, and no sum or date can be made from it.
const count = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const date = z.number().transform((time) => Math.min(Math.max(time, -8.64e15), 8.64e15));

const id = z.int().min(0).max(0xffffffff);

/** One line of `programs`. */
export const ProgramSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  // One issue for all: each element of an array could give one, and a line may be long.
  argv: z.custom<readonly string[]>(
    (value) => Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string"),
  ),
  startedAt: count,
  exit: ExitStatusSchema.optional(),
  endedAt: count.optional(),
});

export const FileStatSchema = z.object({
  type: z.enum(["file", "directory", "symlink", "fifo", "socket", "character-device", "block-device"]),
  size: z
    .number()
    .min(0)
    .max(2 ** 63),
  mode: z.int().min(0).max(0o7777),
  uid: id,
  gid: id,
  mtime: date,
  /** Decimal, of 64 bits: JSON has no numbers as large. */
  mtimeNs: z
    .string()
    .regex(/^-?[0-9]{1,19}$/)
    .transform((digits) => BigInt(digits)),
  target: z.string().max(8192).refine(isNameText).optional(),
});

export const DirectoryEntrySchema = FileStatSchema.extend({
  name: z
    .string()
    .min(1)
    .max(1024)
    .regex(/^[^/\0]+$/)
    .refine(isNameText)
    // Callers build paths on their own host from it.
    .refine((name) => name !== "." && name !== ".."),
});

export const AddressesSchema = z
  .array(
    z
      .object({
        // Linux, net/core/dev.c, dev_valid_name(): neither slash nor blank.
        interface: z
          .string()
          .regex(/^[^\s/\p{Cc}]{1,64}$/u)
          .transform((name) => printable(name)),
        family: z.enum(["inet", "inet6"]),
        address: z.string().max(64),
        prefix: z.int().min(0).max(128),
        mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
      })
      .refine(({ family, address, prefix }) =>
        family === "inet" ? isIP(address) === 4 && prefix <= 32 : isIP(address) === 6 && !address.includes("%"),
      ),
  )
  .max(1024);

export const MetricsSchema = z.object({
  cpu: z.object({ seconds: count }),
  memory: z.object({
    bytes: count,
    limitBytes: count.optional(),
    // Agents of an early release do not tell these.
    swapBytes: count.optional(),
    oomKills: count.optional(),
  }),
  processes: z.int().min(0).optional(),
});

export const InfoSchema = z.object({
  kernel: text(256),
  architecture: text(32),
  hostname: text(256),
  /** The name of process 1. */
  init: text(64),
  /** How much memory the agent itself uses, in bytes. */
  agentMemory: count,
});
/** What an agent reports about its guest and itself. */
export type AgentInfo = z.output<typeof InfoSchema>;
