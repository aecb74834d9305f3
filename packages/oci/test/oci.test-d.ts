import type { CanLogs, Host, Instance } from "@pileus/core";
import { oci } from "../src/index.ts";

const driver = oci({ registries: { "127.0.0.1:5000": { tlsVerify: false } }, policy: "/etc/policy.json" });

// @ts-expect-error a registry has no such option
oci({ registries: { "127.0.0.1:5000": { insecure: true } } });

export async function types(host: Host<typeof driver>): Promise<void> {
  const instance = await host.create({
    driver: "oci",
    name: "a",
    image: "b",
    oci: { cmd: ["x"], stopSignal: "SIGINT" },
  });
  const all: Instance<"exec" | "files" | "freeze" | "network" | "metrics" | "logs"> = instance;
  const logs: CanLogs = all;
  await logs.logs({ stream: "stdout" });
  // @ts-expect-error a program without a terminal has no console
  await instance.console();
  // @ts-expect-error argv, never a shell's string
  await host.create({ driver: "oci", name: "a", image: "b", oci: { cmd: "x" } });
  // @ts-expect-error the section of another driver
  await host.create({ driver: "oci", name: "a", image: "b", lxc: {} });
}
