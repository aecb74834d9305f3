import { expect, it } from "vitest";
import { CommandError, StateError } from "../../src/errors/all.ts";
import { joinFailures } from "../../src/flow/cleanup.ts";
import { hostFailure } from "../../src/system/host-failure.ts";

const systemError = (code: string, syscall: string, path?: string) =>
  Object.assign(new Error(`${code}: refused, ${syscall}`), { code, syscall, path });

it.for([
  ["ENOSPC", "write", "disk-space"],
  ["EDQUOT", "open", "disk-space"],
  ["ENOSPC", "watch", "inotify"],
  ["EMFILE", "watch", "inotify"],
  ["EMFILE", "open", "descriptors"],
  ["ENFILE", "open", "descriptors"],
  ["ENOMEM", "read", "memory"],
  ["EAGAIN", "spawn flock", "processes"],
  ["EROFS", "mkdir", "writable"],
  ["EACCES", "open", "access"],
  ["EIO", "read", "intact-disk"],
  ["ENOENT", "open", "file:/x"],
] as const)("tells what the host lacks where the system says %s of %s", ([code, syscall, need]) => {
  const cause = systemError(code, syscall, "/x");
  const error = hostFailure('start instance "a"', cause);
  expect(error).toMatchObject({
    code: "ERR_HOST",
    cause,
    missing: [{ need, fix: expect.stringMatching(/./) }],
  });
  expect(String(error)).toContain('cannot start instance "a"');
});

it("leaves typed errors, and errors that are not of the system, unchanged", () => {
  const told = new StateError({ instance: "a", verb: "start", state: "frozen", expected: [] });
  for (const error of [told, new TypeError("a fault"), "a string", undefined])
    expect(hostFailure("x", error)).toBe(error);
});

it("reports a full disk also when a tool of the host failed because of it", () => {
  const cause = new CommandError({
    argv: ["cp"],
    exitCode: 1,
    stderr: "cp: error writing 'x': No space left on device",
  });
  expect(hostFailure("copy it", cause)).toMatchObject({ cause, missing: [{ need: "disk-space" }] });
  expect(hostFailure("copy it", new CommandError({ argv: ["cp"], exitCode: 1 }))).toBeInstanceOf(CommandError);
});

it.each([
  ["dnsmasq", "dnsmasq: failed to create inotify: Too many open files"],
  ["dnsmasq", "dnsmasq: failed to create inotify for /etc: No space left on device"],
  ["systemctl", "Failed to allocate directory watch: Too many open files"],
])("reports that no inotify is left also when a tool of the host failed because of it: %s", (tool, stderr) => {
  const cause = new CommandError({ argv: [tool], exitCode: 5, stderr });
  const missing = [{ need: "inotify", reason: cause.message, fix: expect.stringContaining("max_user_instances") }];
  expect(hostFailure("serve", cause)).toMatchObject({ cause, missing });
});

it("reports the first failure, not those of the clean-up", () => {
  const [first, later] = [systemError("ENOSPC", "write"), systemError("EBUSY", "rmdir")];
  const both = Object.assign(new Error(), { name: "SuppressedError", error: later, suppressed: first });
  expect(hostFailure("x", both)).toMatchObject({ cause: first, cleanupFailures: [later] });
});

it("keeps failures of the undoing with the first failure", () => {
  const [first, second] = [systemError("ENOSPC", "write"), new Error("busy")];
  const error = hostFailure("x", joinFailures([first, second]));
  expect(error).toMatchObject({ code: "ERR_HOST", cause: first, cleanupFailures: [second] });
});
