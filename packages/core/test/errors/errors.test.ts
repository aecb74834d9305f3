import { describe, expect, it, vi } from "vitest";
import {
  AgentError,
  AlreadyExistsError,
  CommandError,
  ConfigError,
  ConnectionError,
  ERROR_CODES,
  type ErrorCode,
  FileError,
  HostError,
  ImageError,
  type InstanceError,
  InUseError,
  isInstanceError,
  NotFoundError,
  ProtocolError,
  TimeoutError,
} from "../../src/errors/all.ts";

// What a stranger may call a file, an image, a failure.
const HOSTILE = "a\u001b[2J\nb\u202ec\u2028d\u009b\ud800";

const ERRORS: readonly [string, InstanceError][] = [
  ["a file of a guest", new FileError({ verb: "read", path: HOSTILE, errno: HOSTILE, detail: HOSTILE })],
  ["what an image or a guest does not have", new NotFoundError("user", HOSTILE, { hint: HOSTILE })],
  ["an image", new ImageError(HOSTILE, HOSTILE)],
  ["the last line of a tool", new CommandError({ argv: ["tar"], exitCode: 2, stderr: `first\n${HOSTILE}` })],
  ["a failure in a guest", new AgentError(HOSTILE, HOSTILE)],
  ["what a peer sent", new ProtocolError(HOSTILE, HOSTILE)],
  ["why a connection ended", new ConnectionError(HOSTILE, HOSTILE)],
  ["an argument", new ConfigError(HOSTILE, [{ path: [HOSTILE], message: HOSTILE }])],
  ["what a host lacks", new HostError("start", [{ need: HOSTILE, reason: HOSTILE, fix: HOSTILE }])],
];

it.each(ERRORS)("quotes %s in one printable line", (_what, error) => {
  expect(error.message).toContain("c\ufffdd");
  expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
});

it("keeps the original text in fields", () => {
  expect(new CommandError({ argv: ["tar"], exitCode: 2, stderr: HOSTILE }).stderr).toBe(HOSTILE);
});

it("shows a short and printable beginning of what a peer sent", () => {
  const { received } = new ProtocolError("nonsense", `${HOSTILE}${"x".repeat(10_000_000)}`);
  expect(received).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]{1024}$/u);
});

it("has at most 8 KiB, whatever it quotes", () => {
  expect(new ImageError("x".repeat(100_000), "it is hostile").message.length).toBeLessThanOrEqual(8192);
});

describe("a code", () => {
  it.each([
    [new NotFoundError("instance", "a"), "ERR_INSTANCE_NOT_FOUND"],
    [new NotFoundError("image", "a"), "ERR_IMAGE_NOT_FOUND"],
    [new NotFoundError("network", "a"), "ERR_NETWORK_NOT_FOUND"],
    [new NotFoundError("user", "a"), "ERR_USER_NOT_FOUND"],
    [new NotFoundError("group", "a"), "ERR_GROUP_NOT_FOUND"],
    [new NotFoundError("program", "a"), "ERR_PROGRAM_NOT_FOUND"],
    [new NotFoundError("host file", "/a"), "ERR_HOST_FILE_NOT_FOUND"],
    [new AlreadyExistsError("instance", "a"), "ERR_INSTANCE_EXISTS"],
    [new AlreadyExistsError("network", "a"), "ERR_NETWORK_EXISTS"],
    [new AlreadyExistsError("interface", "a"), "ERR_INTERFACE_EXISTS"],
    [new InUseError("image", "a", ["b"]), "ERR_IMAGE_IN_USE"],
    [new InUseError("network", "a", ["b"]), "ERR_NETWORK_IN_USE"],
  ] as const)("names the noun: %s", (error, code) => {
    expect(error.code).toBe(code);
    const codes = Object.keys(ERROR_CODES) as ErrorCode[];
    expect(codes.filter((one) => isInstanceError(error, one))).toEqual([code]);
  });
});

describe("isInstanceError", () => {
  const late = new TimeoutError("start", 10);
  it("accepts no code, one code or several", () => {
    expect(isInstanceError(late)).toBe(true);
    expect(isInstanceError(late, "ERR_TIMEOUT")).toBe(true);
    expect(isInstanceError(late, "ERR_HOST", "ERR_TIMEOUT")).toBe(true);
    expect(isInstanceError(late, "ERR_HOST", "ERR_AGENT")).toBe(false);
  });
  it.each([undefined, null, "ERR_TIMEOUT", new Error("x"), { code: "ERR_TIMEOUT" }])("refuses %s", (value) => {
    expect(isInstanceError(value)).toBe(false);
    expect(isInstanceError(value, "ERR_TIMEOUT")).toBe(false);
  });
  it("recognises the errors of another copy of the package", async () => {
    vi.resetModules();
    const other = await import("../../src/errors/all.ts");
    expect(late).not.toBeInstanceOf(other.TimeoutError);
    expect(other.isInstanceError(late, "ERR_TIMEOUT")).toBe(true);
    expect(isInstanceError(new other.NotFoundError("image", "a"), "ERR_IMAGE_NOT_FOUND")).toBe(true);
  });
});

describe("the message of a failed file operation", () => {
  it.each([
    ["read", "EACCES", undefined, "cannot read /f: EACCES: permission denied"],
    ["read", "EISDIR", undefined, "cannot read /f: EISDIR: it is a folder: use list(), or pull() for all of it"],
    ["read", "ENOENT", "on the host", "cannot read /f: ENOENT: no such file or folder: on the host"],
    ["write", "EINVAL", "a fifo", "cannot write /f: EINVAL: a fifo"],
    ["read", "ENEW", undefined, "cannot read /f: ENEW"],
  ])("of %s says what %s means and what to do", (verb, errno, detail, message) => {
    expect(new FileError({ verb, path: "/f", errno, ...(detail && { detail }) }).message).toBe(message);
  });
});
