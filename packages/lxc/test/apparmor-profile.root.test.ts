import { CommandError } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { profileFor } from "../src/apparmor-profile.ts";

const parse = (text: string) => spawn(["apparmor_parser", "--skip-kernel-load", "--skip-cache"], { stdin: text });

for (const [kind, { text }] of [
  ["a system", profileFor({ capabilities: ["SYS_ADMIN"] })],
  ["an application", profileFor({ capabilities: [] })],
] as const)
  it(
    `has a profile for ${kind} that the parser understands`,
    requires(["binary:apparmor_parser"], async () => {
      await parse(text);
      await expect(parse(text.replace("umount,", "mounting,"))).rejects.toThrow(CommandError);
    }),
  );
