import type { DriverSubject } from "@pileus/core/testing";
import { subject as native } from "../../packages/lxc/test/support/lxc-subject.ts";
import { FACTOR } from "./host.ts";

/** The driver's own subject, with time for this host. The kit loads it a second time in a process that it kills. */
export const subject: DriverSubject = {
  ...native,
  deadline: 10_000 * FACTOR,
  crash: { how: "kill", module: import.meta.url },
};
