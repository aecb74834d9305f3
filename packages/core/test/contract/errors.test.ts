import { expect, it } from "vitest";
import {
  AgentError,
  CommandError,
  ConfigError,
  ConnectionError,
  FileError,
  HostError,
  ImageError,
  type InstanceError,
  NotFoundError,
  ProtocolError,
} from "../../src/contract/errors.ts";

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

it("keeps a field as it was said, for programs", () => {
  expect(new CommandError({ argv: ["tar"], exitCode: 2, stderr: HOSTILE }).stderr).toBe(HOSTILE);
});

it("shows of what a peer sent a short and printable beginning", () => {
  const { received } = new ProtocolError("nonsense", `${HOSTILE}${"x".repeat(10_000_000)}`);
  expect(received).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]{1024}$/u);
});

it("says no more than 8 KiB, whatever it quotes", () => {
  expect(new ImageError("x".repeat(100_000), "it is hostile").message.length).toBeLessThanOrEqual(8192);
});
