import { expect, it } from "vitest";
import { confined } from "../src/confine.ts";
import { runsMachine } from "../src/qemu-process.ts";
import { UUID } from "./support/instance.ts";

const argv = ["/usr/bin/qemu-system-x86_64", "-nodefaults", "-uuid", UUID, "-S"];

it.each([
  ["QEMU itself", argv],
  ["the program that gives up its rights", confined(argv, { uid: 7, gid: 7, groups: [] })],
  ["the shell that enters the cgroup", ["sh", "-c", "exec", "sh", ...confined(argv, undefined)]],
])("finds the process of a machine: %s", (_, found) => {
  expect(runsMachine(found, UUID)).toBe(true);
});

it.each([
  ["another machine", argv.with(3, UUID.replace("1", "2"))],
  ["a program that only names the UUID", ["grep", "-uuid", UUID]],
  ["a program with the name of QEMU among its later arguments", ["vim", "-uuid", UUID, "qemu-system-x86_64"]],
  ["a QEMU without a UUID", ["qemu-system-x86_64", "-S"]],
  ["a QEMU that has the UUID somewhere else", ["qemu-system-x86_64", "-uuid", "other", "-name", UUID]],
])("does not take another process for it: %s", (_, other) => {
  expect(runsMachine(other, UUID)).toBe(false);
});
