import { createRequire } from "node:module";
import { HostError } from "../errors/all.ts";

type Koffi = typeof import("koffi");

let loaded: Koffi | undefined;

/**
 * koffi, loaded at the first call instead of by an import: importing koffi throws when its native module is not
 * installed, and `import "@pileus/core"` must not throw.
 * @throws {HostError} when the native module is missing or does not fit this machine.
 */
export function ffi(): Koffi {
  loaded ??= loadKoffi(createRequire(import.meta.url));
  return loaded;
}

/** Loads koffi by `require`. @throws {HostError} */
export function loadKoffi(require: (name: string) => unknown): Koffi {
  try {
    return require("koffi") as Koffi;
  } catch (cause) {
    const [reason = "no reason given"] = String(cause instanceof Error ? cause.message : cause).split("\n");
    const fix =
      "install again, on this machine and with optional packages: npm install --include=optional (the native module " +
      `of koffi is one, @koromix/koffi-linux-${process.arch})`;
    throw new HostError("make system calls", [{ need: "package:koffi", reason, fix }], { cause });
  }
}
