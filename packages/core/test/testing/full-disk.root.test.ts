import { FakeWorld, fake } from "@pileus/core/testing";
import { fullDiskTests } from "../../../../test-support/full-disk-tests.ts";
import { fakeSubject } from "./fake-subject.ts";

const world = new FakeWorld();

fullDiskTests(fakeSubject(world, fake({ world })), { megabytes: 8, inodes: 400 });
