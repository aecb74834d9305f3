import { after, describe, it } from "node:test";
import { describeDriver } from "@pileus/core/testing";
import { subject } from "../inside/lxc-subject.ts";

describeDriver({ describe, it, afterAll: (hook) => after(hook) }, subject);
