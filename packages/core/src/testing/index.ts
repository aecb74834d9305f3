/**
 * For tests of drivers, and of programs that use instances.
 *
 * For authors of drivers: the conformance kit, which any test runner can run. For authors of applications: an in-memory
 * driver to test against. Not for production code.
 */
export { blinded } from "./blinded.ts";
export { type BusyboxRootfsOptions, type ExtraFile, FIXTURE_USER, makeBusyboxRootfs } from "./busybox-rootfs.ts";
export { describeDriver } from "./describe-driver.ts";
export type { FakeFaults, FakeStep } from "./fake/backend.ts";
export type { FakeCall, FakeProgram } from "./fake/process.ts";
export { FakeWorld } from "./fake/world.ts";
export { type FakeConfig, type FakeConfigInput, FakeConfigSchema, type FakeOptions, fake } from "./fake-driver.ts";
export { importFakeImage } from "./fake-image.ts";
export { type HangStep, hanging } from "./hanging.ts";
export { liveUntilKilled } from "./kit/crash.ts";
export { obey } from "./kit/other-host.ts";
export type { Confinement, DriverSubject, Runner, SubjectAccount, SubjectConfig } from "./kit/subject.ts";
export { lacking, type Need, requires, type SkipContext } from "./requires.ts";
