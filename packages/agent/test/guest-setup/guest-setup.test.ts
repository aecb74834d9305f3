import { expect, it } from "vitest";
import { agentCommand, RUNTIME_DRIVE_SERIAL, renderStartScript, renderSystemdUnit } from "../../src/index.ts";

it("starts the agent without any file of the guest", () => {
  const node = "/r/bin/busybox chroot /r /lib/ld-linux.so --library-path /lib /bin/node /agent.cjs";
  const script = `exec ${node} --port pileus.agent --tools /r --root 3 3</`;
  expect(agentCommand("/r")).toEqual(["/r/bin/busybox", "sh", "-c", script]);
  expect(renderStartScript()).not.toMatch(/(?<!runtime)\/(usr\/)?s?bin\/(?!sh\n|node|busybox)/);
});

it("starts the agent under systemd before the basic system is up, and again whenever it ends", () => {
  const lines = renderSystemdUnit("/r").split("\n");
  const script = agentCommand("/r").at(-1);
  // systemd.syntax(7): these would mean something within the quotes.
  expect(script).not.toMatch(/["\\$%]/);
  expect(lines).toContain(`ExecStart=/r/bin/busybox sh -c "${script}"`);
  expect(lines).toContain("DefaultDependencies=no");
  expect(lines).toContain("Before=basic.target");
  expect(lines).toContain("Restart=always");
});

it("has a drive serial that virtio-blk can hold", () => {
  expect(RUNTIME_DRIVE_SERIAL.length).toBeLessThanOrEqual(20);
});
