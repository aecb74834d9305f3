import { describeDriver } from "@pileus/core/testing";
import { afterAll, describe, it } from "vitest";
import { subject } from "./support/q35-subject.ts";

describeDriver({ describe, it, afterAll }, subject);
