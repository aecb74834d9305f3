import { once } from "node:events";
import { Socket } from "node:net";
import { expect, it } from "vitest";
import { within } from "../../core/src/testing/kit/expect.ts";
import { commandSocketName, untilClosed } from "../src/command-socket.ts";

it("is named after path and container as long as the name fits a socket", () => {
  expect(commandSocketName("/run/pileus/abc-web", "web")).toBe("/run/pileus/abc-web/web/command");
});

it("is named by a hash if the name does not fit", () => {
  const name = "a".repeat(63);
  // Seen in /proc/net/unix for this very container.
  expect(commandSocketName(`/run/pileus/abcdefghij-${name}`, name)).toMatch(/^lxc\/[0-9a-f]{16}\/command$/);
});

it("reports the end of a connection, even if it came before the question", async () => {
  const socket = new Socket();
  socket.destroy();
  const asked = untilClosed(socket);
  await once(socket, "close");
  expect(socket.closed).toBe(true);
  await within(1000, "the end that was waited for", asked);
  await within(1000, "the end that had come", untilClosed(socket));
});
