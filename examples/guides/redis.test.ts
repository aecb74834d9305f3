import { once } from "node:events";
import { connect } from "node:net";
import { type Host, type Instance, openHost } from "@pileus/core";
import { oci } from "@pileus/oci";
import { afterAll, beforeAll, expect, it } from "vitest";

const drivers = [oci()] as const;
let host: Host<(typeof drivers)[number]>;
let redis: Instance<"exec" | "network">;

beforeAll(async () => {
  host = await openHost({ root: "/var/lib/pileus", drivers });
  await host.sweep({ labels: { for: "tests" } }); // an earlier run may have been killed
  await host.networks.create({ name: "tests0" });
  const image = await host.images.import(process.env["REDIS_IMAGE"] ?? "docker://docker.io/library/redis:7");
  redis = await host.ephemeral({
    driver: "oci",
    name: "tests-redis",
    image,
    labels: { for: "tests" },
    devices: { eth0: { type: "nic", network: "tests0" } },
    oci: { cmd: ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"], entrypoint: [] },
  });
  await redis.run(["sh", "-c", "until redis-cli ping; do sleep 0.1; done"], { timeout: 10_000, check: true });
}, 120_000);

afterAll(async () => {
  await redis?.[Symbol.asyncDispose](); // deletes it, as it is ephemeral
  await host?.networks.delete("tests0");
  await host?.[Symbol.asyncDispose]();
});

it("counts", async () => {
  const [address] = await redis.addresses();
  const socket = connect(6379, address?.address);
  socket.write("INCR visits\r\n"); // a real test would bring its own client
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  expect(answer.toString()).toBe(":1\r\n");
});
