import { describeDriver } from "@pileus/core/testing";
import { afterAll, describe, it } from "vitest";
import { subject } from "./chroot-subject.ts";

describeDriver({ describe, it, afterAll }, subject);
