import { UnsupportedError } from "@pileus/core";
import { sealedFile } from "@pileus/core/driver";
import { HELPER_BINARIES } from "./helper-binary.ts";

let opened: number | undefined;

/**
 * The static helper of helper/exec-helper.c as a descriptor to hand to a container, opened on first use and kept. Sealed: the program that
 * runs in it could otherwise change it through /proc/PID/exe for every container after (CVE-2019-5736).
 *
 * @throws {UnsupportedError} on an architecture for which there is none.
 */
export function helperDescriptor(): number {
  const binary = HELPER_BINARIES[process.arch];
  if (binary === undefined) throw new UnsupportedError({ capability: "exec", reason: `no helper for ${process.arch}` });
  opened ??= sealedFile("pileus-exec", Buffer.from(binary, "base64"));
  return opened;
}
