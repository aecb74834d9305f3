import type { ExecRequest } from "../../src/contract/backend.ts";
import { ScriptedProcess, type scriptedRoot } from "./scripted.ts";

/**
 * A running instance in which every exec gives `process`; with the requests that reached the driver, and a promise for
 * the first.
 */
export async function runningInstance(
  place: Awaited<ReturnType<typeof scriptedRoot>>,
  process: ScriptedProcess = new ScriptedProcess(),
  env: Record<string, string> = {},
) {
  const host = await place.open();
  const instance = await host.create({ driver: "scripted", name: "a", image: "base", env });
  await instance.start();
  const requests: ExecRequest[] = [];
  let ask = () => {};
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  place.scripted.script.exec = async (request) => {
    requests.push(request);
    ask();
    return process;
  };
  return { instance, process, requests, asked };
}
