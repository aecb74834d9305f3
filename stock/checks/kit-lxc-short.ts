import { after, describe, it } from "node:test";
import { describeDriver } from "@pileus/core/testing";
import { subject } from "../inside/lxc-subject.ts";

/** What the kit checks of the driver by what the host gives: its cgroups, init, kernel, confinement, network. */
const PARTS: readonly string[] = [
  ...["create and delete", "start", "stop", "wait", "freeze", "metrics", "addresses", "reach", "files", "the console"],
  ...["what an instance holds", "an instance that ends by itself", "the end of a program", "exec on pipes"],
  ...["exec on a terminal", "ids of the host", "confinement", "of the main program, the log"],
  ...["after the process of its host was killed, the log", "after its process was killed, another host on the folder"],
  "after the process that started it was killed, a detached program",
];

const part = (name: string, body: () => void) => {
  if (name === `the driver ${subject.driver}` || PARTS.includes(name)) describe(name, body);
};
describeDriver({ describe: part, it, afterAll: (hook) => after(hook) }, subject);
