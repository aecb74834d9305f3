import { expect, it } from "vitest";
import { commandSocketName } from "../src/command-socket.ts";

it("is named after path and container as long as the name fits a socket", () => {
  expect(commandSocketName("/run/pileus/abc-web", "web")).toBe("/run/pileus/abc-web/web/command");
});

it("has a hash for a name where it does not fit", () => {
  const name = "a".repeat(63);
  // Seen in /proc/net/unix for this very container.
  expect(commandSocketName(`/run/pileus/abcdefghij-${name}`, name)).toMatch(/^lxc\/[0-9a-f]{16}\/command$/);
});
