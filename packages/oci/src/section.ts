import { parseSignal } from "@pileus/core/files";
import { z } from "zod";

// execve(2): one string of argv has at most 128 KiB (MAX_ARG_STRLEN), its NUL included, and ends at the first NUL.
const ArgumentSchema = z
  .string()
  .refine((text) => !text.includes("\0"), "an argument has no NUL")
  .refine((text) => Buffer.byteLength(text) < 131_072, "an argument is shorter than 128 KiB");

/** The keys of an instance's configuration under `oci`. What is left out is the image's. */
export const OciSectionSchema = z
  .strictObject({
    /** Replaces the image's entrypoint, and with it drops the image's `cmd`. */
    entrypoint: z.array(ArgumentSchema).max(10_000).optional(),
    /** Replaces the image's `cmd`: the arguments of the entrypoint, or the program itself where there is none. */
    cmd: z.array(ArgumentSchema).max(10_000).optional(),
    /** Made where it is missing. */
    workdir: z
      .string()
      .max(4096)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
      .regex(/^\/[^\0-\x1f\x7f]*$/, "a working directory is an absolute path without control characters")
      .optional(),
    /**
     * `name`, `uid`, `name:group` or `uid:gid`; names are those of the instance's own `/etc/passwd` and `/etc/group`.
     */
    user: z
      .string()
      .max(255)
      .regex(/^[^\0-\x20\x7f:]+(?::[^\0-\x20\x7f:]+)?$/, "a user is name, uid, name:group or uid:gid")
      .optional(),
    /** What `stop()` sends: `SIGINT`, `SIGRTMIN+3`, `15`. The program gets all of the stop's timeout to end. */
    stopSignal: z
      .string()
      .refine((text) => parseSignal(text) !== undefined, "no such signal: write SIGTERM, SIGRTMIN+3 or a number")
      .optional(),
    /**
     * A small init of ours is PID 1 and the program its child: it reaps the processes that others leave behind, forwards
     * signals to the program, and ends with it. A program that a signal ended is then told as exited with 128 plus that
     * signal, as under `docker run --init`. Default false: the program is PID 1 itself, and what it does not handle of
     * signals, the kernel drops.
     */
    init: z.boolean().default(false),
    /**
     * That init alone, in the place of the image's program, until `stop()`: the image as a box to `exec` in. Default
     * false.
     */
    keepAlive: z.boolean().default(false),
    /** Root inside is root of the host. Default false: the instance's ids are shifted. */
    privileged: z.boolean().default(false),
  })
  .superRefine(({ keepAlive, entrypoint, cmd, stopSignal }, context) => {
    if (!keepAlive) return;
    for (const [key, value] of Object.entries({ entrypoint, cmd, stopSignal })) {
      if (value === undefined) continue;
      context.addIssue({ code: "custom", path: [key], message: "with keepAlive no program is started: leave one out" });
    }
  })
  .prefault({});
/** The section as a caller writes it. */
export type OciSectionInput = z.input<typeof OciSectionSchema>;
/** The section as the driver reads it, with its defaults. */
export type OciSection = z.output<typeof OciSectionSchema>;
