import { expect, it } from "vitest";
import { agentCommand, RUNTIME_DRIVE_SERIAL, renderStartScript, renderSystemdUnit } from "../../src/index.ts";

it("starts the agent without any file of the guest", () => {
  expect(agentCommand("/r")).toEqual(
    "/r/lib/ld-linux.so --library-path /r/lib /r/bin/node /r/agent.cjs --port pileus.agent".split(" "),
  );
  expect(renderStartScript()).not.toMatch(/(?<!runtime)\/(usr\/)?s?bin\/(?!sh\n|node|busybox)/);
});

it("starts the agent under systemd before the basic system is up, and again whenever it ends", () => {
  const lines = renderSystemdUnit("/r").split("\n");
  expect(lines).toContain(`ExecStart=${agentCommand("/r").join(" ")}`);
  expect(lines).toContain("DefaultDependencies=no");
  expect(lines).toContain("Before=basic.target");
  expect(lines).toContain("Restart=always");
});

it("has a drive serial that virtio-blk can hold", () => {
  expect(RUNTIME_DRIVE_SERIAL.length).toBeLessThanOrEqual(20);
});
