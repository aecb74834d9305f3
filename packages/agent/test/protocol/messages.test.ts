import { describe, expect, it } from "vitest";
import {
  AddressesSchema,
  AgentMessageSchema,
  DirectoryEntrySchema,
  ExitStatusSchema,
  FileStatSchema,
  HelloSchema,
  InfoSchema,
  MetricsSchema,
  OutcomeSchema,
  RefuseSchema,
  WelcomeSchema,
} from "../../src/protocol/messages.ts";

const token = "0123456789abcdef".repeat(2);
const welcome = { token, protocol: 1, agent: "1.0.0", methods: ["ping"], bootId: "b" };
const stat = { type: "file", size: 1, mode: 0o644, uid: 0, gid: 0, mtime: 0, mtimeNs: "0" };
const inet = { interface: "eth0", family: "inet", address: "10.0.0.2", prefix: 24, mac: "52:54:00:00:00:01" };
const inet6 = { ...inet, family: "inet6", address: "fd00::2", prefix: 64 };
const info = { kernel: "6.1", architecture: "x64", hostname: "guest", init: "systemd", agentMemory: 1 };
const metrics = { cpu: { seconds: 1 }, memory: { bytes: 1 } };
const failed = (error: object) => ({ ok: false, error: { reason: "ENOENT", message: "no such file", ...error } });

describe("a message of a guest", () => {
  it.each([
    ["a hello", HelloSchema, { token, protocols: [1, 2] }],
    ["a welcome", WelcomeSchema, welcome],
    ["a refusal", RefuseSchema, { reason: "EBUSY" }],
    ["a start", AgentMessageSchema, { type: "started" }],
    ["an exit", AgentMessageSchema, { type: "exit", status: { kind: "exited", code: 255 } }],
    ["a signal", ExitStatusSchema, { kind: "signaled", signal: "SIGKILL" }],
    ["a real-time signal", ExitStatusSchema, { kind: "signaled", signal: "SIGRTMIN+3" }],
    ["the C library's own signals", ExitStatusSchema, { kind: "signaled", signal: "SIG32" }],
    ["the C library's own signals", ExitStatusSchema, { kind: "signaled", signal: "SIG33" }],
    ["an outcome", OutcomeSchema, { ok: true, result: { any: "thing" } }],
    ["a failure", OutcomeSchema, failed({ path: "/a", detail: "why" })],
    ["addresses", AddressesSchema, [inet, { ...inet, prefix: 32 }, inet6, { ...inet6, prefix: 128 }]],
    ["metrics", MetricsSchema, { ...metrics, processes: 3 }],
    ["what it is", InfoSchema, info],
  ])("is accepted unchanged if it is %s", (_, schema, said) => {
    expect(schema.parse(said)).toEqual(said);
  });

  it.each([
    ["a file", FileStatSchema, stat],
    ["a link", FileStatSchema, { ...stat, type: "symlink", target: "../a b" }],
    ["an entry", DirectoryEntrySchema, { ...stat, name: "..." }],
  ])("is accepted with its nanoseconds as a number if it is %s", (_, schema, said) => {
    const mtimeNs = -1_123_456_789_123_456_789n;
    expect(schema.parse({ ...said, mtimeNs: String(mtimeNs) })).toEqual({ ...said, mtimeNs });
  });

  it.each([
    ["a hello with another member", HelloSchema, { token, protocols: [1], more: 1 }],
    ["a hello whose token is not 32 digits", HelloSchema, { token: `${token}0`, protocols: [1] }],
    ["a hello without a protocol", HelloSchema, { token, protocols: [] }],
    ["a welcome whose agent has too long a name", WelcomeSchema, { ...welcome, agent: "x".repeat(65) }],
    ["an unknown signal", ExitStatusSchema, { kind: "signaled", signal: "SIGNONE" }],
    ["a signal without SIG", ExitStatusSchema, { kind: "signaled", signal: "KILL" }],
    ["a signal by its number", ExitStatusSchema, { kind: "signaled", signal: "SIG9" }],
    ["a signal with a prefix", ExitStatusSchema, { kind: "signaled", signal: "xSIG32" }],
    ["a signal with a suffix", ExitStatusSchema, { kind: "signaled", signal: "SIG320" }],
    ["an exit code beyond 255", ExitStatusSchema, { kind: "exited", code: 256 }],
    ["a failure without a reason", OutcomeSchema, { ok: false, error: { message: "x" } }],
    ["an entry named .", DirectoryEntrySchema, { ...stat, name: "." }],
    ["an entry named ..", DirectoryEntrySchema, { ...stat, name: ".." }],
    ["an entry with a slash", DirectoryEntrySchema, { ...stat, name: "a/b" }],
    ["an entry with a NUL", DirectoryEntrySchema, { ...stat, name: "a\0" }],
    ["an entry without a name", DirectoryEntrySchema, { ...stat, name: "" }],
    ["an impossible owner", FileStatSchema, { ...stat, uid: 2 ** 32 }],
    ["a mode with a type in it", FileStatSchema, { ...stat, mode: 0o100644 }],
    ["a negative size", FileStatSchema, { ...stat, size: -1 }],
    ["an IPv6 address as IPv4", AddressesSchema, [{ ...inet, address: "fd00::2" }]],
    ["an IPv4 address as IPv6", AddressesSchema, [{ ...inet6, address: "10.0.0.2" }]],
    ["an address with a zone", AddressesSchema, [{ ...inet6, address: "fe80::1%eth0" }]],
    ["an IPv4 address with a prefix beyond 32", AddressesSchema, [{ ...inet, prefix: 33 }]],
    ["an address with a prefix beyond 128", AddressesSchema, [{ ...inet6, prefix: 129 }]],
    ["an interface with a blank", AddressesSchema, [{ ...inet, interface: "eth 0" }]],
    ["an interface with a slash", AddressesSchema, [{ ...inet, interface: "eth/0" }]],
    ["a count beyond the safe integers", MetricsSchema, { ...metrics, cpu: { seconds: 2 ** 60 } }],
  ])("is refused if it is %s", (_, schema, said) => {
    expect(schema.safeParse(said).success).toBe(false);
  });

  it.each([
    [9e15, 8.64e15],
    [-9e15, -8.64e15],
    [1.5, 1.5],
  ])("has a time that a JavaScript Date can hold: %d becomes %d", (said, held) => {
    expect(FileStatSchema.parse({ ...stat, mtime: said }).mtime).toBe(held);
  });

  it("has no control characters for a terminal", () => {
    const said = "\x1b[2Jreset";
    const heard = [
      WelcomeSchema.parse({ ...welcome, agent: said }).agent,
      RefuseSchema.parse({ reason: said }).reason,
      InfoSchema.parse({ ...info, hostname: said }).hostname,
      AddressesSchema.parse([{ ...inet, interface: "eth\u202e0" }])[0]?.interface,
    ];
    for (const text of heard) expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(heard[0]).toContain("reset");
    expect(heard[3]).toMatch(/^eth.*0$/);
  });
});
