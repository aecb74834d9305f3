import { afterEach, beforeEach, expect, it } from "vitest";
import { gate, scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

it.each([
  ["the instance ends", "ERR_INSTANCE_STATE"],
  ["the host is disposed", "ERR_CONNECTION"],
] as const)("ready() aborts the wait of the driver when %s", async (how, code) => {
  const host = await place.open();
  const instance = await host.create({ driver: "scripted", name: "a", image: "base" });
  const asked = gate();
  let given: AbortSignal | undefined;
  place.scripted.script.ready = ({ signal }) => {
    given = signal;
    return asked.pass();
  };
  await instance.start();
  const failed = expect(instance.ready()).rejects.toMatchObject({ code });
  await asked.arrived;
  if (how === "the instance ends") place.scripted.run("a").end();
  else await host[Symbol.asyncDispose]();
  await failed;
  expect(given?.aborted).toBe(true);
});

it("ready() that gives up quotes what the instance printed last", async () => {
  const host = await place.open();
  const instance = await host.create({ driver: "scripted", name: "a", image: "base" });
  place.scripted.script.ready = () => new Promise(() => undefined);
  await instance.start();
  await expect(instance.ready({ timeout: 20 })).rejects.toMatchObject({
    code: "ERR_TIMEOUT",
    timeout: 20,
    lastLines: "log of a",
    message: 'waiting for instance "a" to be ready did not finish within 20 ms: its last output: log of a',
  });
});

it("reboot() waits until the instance can be used again, and quotes what it printed when that takes too long", async () => {
  const host = await place.open();
  const instance = await host.create({ driver: "scripted", name: "a", image: "base" });
  const steps: string[] = [];
  place.scripted.script.reboot = () => steps.push("reboot");
  place.scripted.script.ready = () => steps.push("ready");
  await expect(instance.reboot()).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE" });
  await instance.start();
  await instance.reboot();
  expect(steps).toEqual(["reboot", "ready"]);
  expect(await instance.state()).toBe("running");
  place.scripted.script.reboot = () => new Promise(() => undefined);
  const late = { code: "ERR_TIMEOUT", timeout: 20, lastLines: "log of a" };
  await expect(instance.reboot({ timeout: 20 })).rejects.toMatchObject(late);
  const ending = gate();
  place.scripted.script.reboot = ending.pass;
  const ended = expect(instance.reboot()).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE", state: "stopped" });
  await ending.arrived;
  place.scripted.run("a").end({ kind: "exited", code: 0 });
  ending.open();
  await ended;
});
