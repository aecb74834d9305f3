import { describeDriver } from "@pileus/core/testing";
import { afterAll, beforeAll, describe, it } from "vitest";
import { subject } from "./support/q35-subject.ts";
import { WARMING, warmCache } from "./support/qemu-subject.ts";

beforeAll(warmCache, WARMING);

describeDriver({ describe, it, afterAll }, subject);
